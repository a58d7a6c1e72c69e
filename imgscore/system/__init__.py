"""The operating system around imgscore: installation, systemd, Landlock, mounts and the tray."""
