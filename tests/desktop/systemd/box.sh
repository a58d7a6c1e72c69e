#!/usr/bin/env bash
# box.sh FOLDER PATH…: boot a systemd in namespaces, on a copy-on-write overlay of this machine.
# The user `box` lingers, so that it has a service manager; it can read the PATHs. FOLDER is mounted
# at /box and belongs to that user. When the manager runs, its uid is written to the pipe
# FOLDER/ready. /tmp, /run and /home are new; other writes are discarded. The box runs until its
# process 1 is killed or the parent of this script ends.
set -eu

begin() {
  folder=$(realpath "$1")
  cp "$0" "$folder/script"
  chmod a+rx "$folder"
  printf '%s\n' "${@:2}" >"$folder/paths"
  exec setpriv --pdeathsig KILL unshare --mount bash "$folder/script" --groups "$folder"
}

# Give the box its own branch of the control groups: two boxes would end each other's processes.
groups() {
  mkdir "$1/groups"
  mount -t cgroup2 none "$1/groups"
  local was mine
  was=$1/groups$(sed -n 's/^0:://p' /proc/self/cgroup)
  mine=$1/groups/imgscore-box-$$
  mkdir "$mine"
  echo $$ >"$mine/cgroup.procs"
  setpriv --pdeathsig KILL \
    unshare --fork --pid --mount --cgroup --kill-child bash "$1/script" --boot "$1" || true
  echo $$ >"$was/cgroup.procs"
  for _ in $(seq 100); do # a killed process leaves its group with a delay
    find "$mine" -depth -type d -exec rmdir {} + 2>"$1/left" && return
    sleep 0.05
  done
  cat "$1/left" >&2
}

boot() {
  mkdir "$1/disk"
  mount -t tmpfs tmpfs "$1/disk"
  mkdir "$1"/disk/{upper,work,root}
  local root=$1/disk/root
  mount -t overlay -o "lowerdir=/,upperdir=$1/disk/upper,workdir=$1/disk/work" overlay "$root"
  while read -r path; do # the overlay does not contain other file systems
    if [ "$(stat -c %m "$path")" != / ]; then
      mkdir -p "$root$path"
      mount --rbind -o ro "$path" "$root$path"
    fi
    while path=$(dirname "$path"); [ "$path" != / ]; do chmod o+x "$root$path" || true; done
  done <"$1/paths"
  mount -t proc proc "$root/proc"
  mount -t sysfs sysfs "$root/sys"
  mount -t cgroup2 none "$root/sys/fs/cgroup"
  mount --rbind /dev "$root/dev"
  mount -t tmpfs tmpfs "$root/run"
  mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
  mount -t tmpfs -o mode=755 tmpfs "$root/home"
  mkdir -p "$root"/run/lock "$root/box" "$root/outside" "$root/var/log/journal"
  mount --bind "$1" "$root/box"
  cat >"$root/etc/systemd/system/box.service" <<'UNIT'
[Unit]
After=systemd-user-sessions.service
[Service]
Type=oneshot
ExecStart=/bin/bash /box/script --welcome
UNIT
  cd "$root"
  pivot_root . outside # not chroot, in which no user namespace can be made
  umount --lazy /outside
  export container=other
  exec /lib/systemd/systemd --system --unit=box.service --log-target=null </dev/null
}

welcome() {
  useradd --create-home box
  chown box: /box
  systemctl start dbus.service systemd-logind.service
  loginctl enable-linger box
  systemctl start "user@$(id -u box).service"
  id -u box >/box/ready
}

case $1 in
--groups | --boot | --welcome) "${1#--}" "${@:2}" ;;
*) begin "$@" ;;
esac
