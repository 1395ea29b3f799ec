"""The engine `job`: the local executor's graph, cache and conditions, with each step as a pod."""
