"""What is given to a guest that boots: how it puts its root together from its disks."""
