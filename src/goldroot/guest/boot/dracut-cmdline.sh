# Read by dracut(8): the root needs no device that the kernel's command line names.

root=goldroot
rootok=1
