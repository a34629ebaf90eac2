"""How a job runs: the task, the result cache and the warm GPU workers."""
