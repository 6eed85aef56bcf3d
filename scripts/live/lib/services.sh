# Servers that checks speak to, each on loopback and ended with the run.

# free_port: one that nothing listens on now.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null || { echo "$port"; return 0; }
  done
}

listens() { (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null; }

# The engine: a dockerd with everything of its own. No bridge and no firewall rules, which are the
# machine's: its containers have no network.
provide_engine() {
  [ "$(id -u)" = 0 ] || unavailable "a docker engine needs root"
  need engine_programs
  mkdir -p "$DOCKER_CONFIG/cli-plugins" "$work/engine"
  ln -s "$parts/bin/docker-buildx" "$DOCKER_CONFIG/cli-plugins/docker-buildx"
  cat > "$work/engine/daemon.json" <<JSON
{"features": {"containerd-snapshotter": true}, "hosts": ["$DOCKER_HOST"],
 "data-root": "$work/engine/data", "exec-root": "$work/engine/exec", "pidfile": "$work/engine/pid",
 "bridge": "none", "iptables": false, "ip6tables": false, "ip-forward": false, "log-level": "warn"}
JSON
  background dockerd "$logs/dockerd.log" dockerd --config-file "$work/engine/daemon.json"
  eventually 60 docker version || { tail -n 3 "$logs/dockerd.log"; die "dockerd does not come up"; }
  docker version --format 'engine {{.Server.Version}}'
}

# arm64 programs: through the kernel's list of interpreters. With flag F the kernel opens the interpreter
# at once, so that nothing of it is needed inside of images.
provide_arm64() {
  local list=/proc/sys/fs/binfmt_misc
  [ "$(id -u)" = 0 ] || unavailable "programs of another architecture need root"
  need qemu
  if [ ! -e $list/register ]; then
    mount -t binfmt_misc binfmt_misc $list || unavailable "binfmt_misc cannot be mounted"
    on_mount $list
  fi
  grep -qs '^interpreter.*aarch64' $list/* && return 0
  printf '%s' ':loadline-live-aarch64:M::\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:'"$parts/qemu/usr/bin/qemu-aarch64-static"':OCF' \
    > $list/register || unavailable "the kernel takes no interpreter for arm64"
  undo "echo -1 > $list/loadline-live-aarch64"
}

# A registry without the referrers API: docker's own of version 2. Its HOST:PORT is in $work/plain-registry.
provide_plain_registry() {
  local port try
  need docker_registry
  for try in 1 2 3 4 5; do
    port=$(free_port)
    printf 'version: 0.1\nlog: {level: warn, accesslog: {disabled: true}}\nstorage:\n  filesystem: {rootdirectory: %s}\n  delete: {enabled: true}\nhttp: {addr: "127.0.0.1:%s"}\n' \
      "$work/plain-registry.data" "$port" > "$work/plain-registry.yml"
    OTEL_TRACES_EXPORTER=none background plain-registry "$logs/plain-registry.log" docker-registry serve "$work/plain-registry.yml"
    if eventually 5 listens "$port" && alive plain-registry; then
      echo "127.0.0.1:$port" > "$work/plain-registry"
      return 0
    fi
    echo "try $try: not on $port"
    end plain-registry
  done
  die "docker-registry does not come up: $(tail -n 1 "$logs/plain-registry.log")"
}
