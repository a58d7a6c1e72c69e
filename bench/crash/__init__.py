"""Real daemons, killed, starved, lied to and overrun; what is lost is counted. See CRASH.md."""
