"""What people look at: report, comparison of runs and cost estimate."""
