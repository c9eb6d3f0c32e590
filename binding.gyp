{
  # Nothing is compiled by gyp: `node-gyp rebuild` calls the script that npm's install calls, so there is one build.
  "targets": [
    {
      "target_name": "stateline",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": [],
          "outputs": ["<(module_root_dir)/build/Release/stateline.node"],
          "action": ["node", "<(module_root_dir)/scripts/build-native.mjs"]
        }
      ]
    }
  ]
}
