"""Modules for the operating system: installation, systemd, Landlock, mounts and the tray."""
