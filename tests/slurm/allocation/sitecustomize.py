"""What a fake cluster cannot say, and what is too slow for a test; Python imports this module by itself.

Processors: a real cluster binds a step to its allocation, by cgroups or by affinity, and `snakemake --cores all` inside
the step counts those processors (snakemake.utils.available_cpu_count reads /proc/self/status). Two fake nodes of 32
processors on a machine of two cannot do that, and the step would run two jobs at a time instead of sixteen.

Status checks: the plugin asks ever more seldom, ten seconds longer each time, which is right for jobs of hours.
"""

import os
import sys

if "snakemake" in sys.orig_argv:
    if "SLURM_CPUS_PER_TASK" in os.environ:
        import snakemake.utils

        _number = int(os.environ["SLURM_CPUS_PER_TASK"])
        snakemake.utils.available_cpu_count = lambda: _number
    if "--slurm-status-command" in sys.orig_argv:
        from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

        RemoteExecutor.next_seconds_between_status_checks = property(lambda self: 2, lambda self, value: None)
