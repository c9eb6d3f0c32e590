/** Comms reach cells by the API's registry: the worker knows cells only. */
export { receiveComm } from "../api/comms";
