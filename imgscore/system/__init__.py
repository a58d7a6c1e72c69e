"""This package uses the operating system: installation, systemd, Landlock, mounts and the tray."""
