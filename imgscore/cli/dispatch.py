"""The earlier place of `imgscore.dispatch`."""

from imgscore.dispatch import call, reload_daemon, settings_in_force

__all__ = ("call", "reload_daemon", "settings_in_force")
