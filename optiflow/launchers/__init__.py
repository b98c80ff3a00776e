"""Where the jobs of a sweep run besides this process: Hydra launchers of our own."""
