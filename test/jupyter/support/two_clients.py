"""Two clients (jupyter_client) on one kernel at once; prints what each saw as JSON. two-clients.test.ts runs it."""

import json
from queue import Empty

from jupyter_client import BlockingKernelClient, KernelManager

PATIENCE = 60

manager = KernelManager(kernel_name="stateline")
manager.start_kernel()


def connect():
    """A client of its own: one that the manager makes would share the manager's identity."""
    client = BlockingKernelClient()
    client.load_connection_file(manager.connection_file)
    client.start_channels()
    client.wait_for_ready(timeout=PATIENCE)
    return client


def drain(get):
    """What lies there already."""
    messages = []
    while True:
        try:
            messages.append(get(timeout=0.2))
        except Empty:
            return messages


def published(client, *requests):
    """What a client sees of requests, its own or another's, until they are over."""
    seen = {request: [] for request in requests}
    over = set()
    while len(over) < len(requests):
        message = client.get_iopub_msg(timeout=PATIENCE)
        request = message["parent_header"].get("msg_id")
        if request not in seen:
            continue
        content = message["content"]
        if content.get("execution_state") == "idle":
            over.add(request)
        elif message["msg_type"] == "stream":
            seen[request].append([content["name"], content["text"]])
        elif message["msg_type"] == "execute_result":
            seen[request].append(["result", content["data"]["text/plain"]])
        elif message["msg_type"] == "execute_input":
            seen[request].append(["input", content["code"]])
    return [seen[request] for request in requests]


def reply(client, request):
    message = client.get_shell_msg(timeout=PATIENCE)
    return message["parent_header"]["msg_id"] == request and message["content"]["status"]


one, two = connect(), connect()
for client in (one, two):
    drain(client.get_shell_msg)
seen = {}

# Both at once: each hears all that is published, and gets the reply to its own.
requests = [one.execute("let shared = 'of one'; console.log('one')"), two.execute("console.log('two'); 2")]
seen["outputs"] = [published(client, *requests) for client in (one, two)]
seen["replies"] = [reply(one, requests[0]), reply(two, requests[1])]
seen["replies to others"] = [len(drain(client.get_shell_msg)) for client in (one, two)]

# A question goes to who runs the cell, and its answer comes from there.
request = two.execute("const answer = await input('Who? '); [answer, shared]", allow_stdin=True)
question = two.get_stdin_msg(timeout=PATIENCE)
seen["question"] = question["content"]["prompt"]
seen["questions to others"] = len(drain(one.get_stdin_msg))
one.input("not asked")
one.complete("shared.")  # time enough for what nobody asked for to be heard
seen["completion"] = "length" in one.get_shell_msg(timeout=PATIENCE)["content"]["matches"]
two.input("two")
seen["answer"] = [published(client, request)[0][-1] for client in (one, two)]
seen["answer's reply"] = reply(two, request)

# Who interrupts hears so; the cell's own client hears that it was.
request = two.execute("console.log('begun'); for (;;) {}")
while one.get_iopub_msg(timeout=PATIENCE)["content"].get("text") != "begun\n":
    pass
interrupt = one.session.msg("interrupt_request", {})
one.control_channel.send(interrupt)
seen["interrupt"] = one.get_control_msg(timeout=PATIENCE)["content"]["status"]
seen["interrupted"] = reply(two, request)

for client in (one, two):
    client.stop_channels()
manager.shutdown_kernel(now=True)
print(json.dumps(seen))
