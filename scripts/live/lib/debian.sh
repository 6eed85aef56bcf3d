# Debian packages of any suite, unpacked below the prefix: no package is installed, no list of the
# machine is read or written. The archive is the one that the machine's own sources name.

# unpack DEST SUITE PACKAGE...: into DEST, all or nothing. With DEB_ARCH set, another architecture's.
unpack() {
  local dest=$1 suite=$2 folder package
  shift 2
  folder=$prefix/.apt/$suite${DEB_ARCH:+-$DEB_ARCH}
  lists "$suite"
  rm -rf "$dest.new" "$folder/got"
  mkdir -p "$dest.new" "$folder/got"
  if ! (cd "$folder/got" && apt_of "$suite" download "$@"); then
    # What the lists name may be gone from the archive by now.
    rm -f "$folder/fresh"
    lists "$suite"
    (cd "$folder/got" && apt_of "$suite" download "$@") || die "$suite has not all of: $*"
  fi
  for package in "$folder"/got/*.deb; do
    dpkg-deb -x "$package" "$dest.new"
    echo "$(dpkg-deb -f "$package" Package) $(dpkg-deb -f "$package" Version) ($suite)"
  done
  rm -rf "$folder/got" "$dest"
  mv "$dest.new" "$dest"
}

# apt_of SUITE ARGUMENT...: apt-get with lists, cache and state of its own.
apt_of() {
  local folder=$prefix/.apt/$1${DEB_ARCH:+-$DEB_ARCH}
  shift
  apt-get -q ${DEB_ARCH:+-o APT::Architecture="$DEB_ARCH"} -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$folder/etc" \
    -o Dir::State::Lists="$folder/lists" -o Dir::State::status="$folder/status" -o Dir::Cache="$folder/cache" \
    -o APT::Sandbox::User=root -o Acquire::Retries=3 -o Acquire::Languages=none -o Dpkg::Use-Pty=0 "$@"
}

# lists SUITE: its package lists, a day old at most.
lists() {
  local suite=$1 folder=$prefix/.apt/$1${DEB_ARCH:+-$DEB_ARCH}
  mkdir -p "$folder"/{etc,lists/partial,cache/archives/partial}
  : > "$folder/status"
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nArchitectures: %s\nTargets: Packages\nSigned-By: %s\n' \
    "$(archive)" "$suite" "${DEB_ARCH:-$(dpkg --print-architecture)}" /usr/share/keyrings/debian-archive-keyring.gpg \
    > "$folder/etc/$suite.sources"
  [ -n "$(find "$folder/fresh" -mmin -1440 2> /dev/null)" ] && return 0
  apt_of "$suite" update && : > "$folder/fresh"
}

# archive: the first address among the machine's sources.
archive() {
  local address
  address=$(cat /etc/apt/sources.list.d/*.sources 2> /dev/null | awk '/^URIs:/ { print $2; exit }')
  [ -n "$address" ] || address=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2> /dev/null |
    awk '$1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /^[a-z+]+:\/\//) { print $i; exit } }')
  [ -n "$address" ] || unavailable "the machine's apt sources name no archive"
  echo "$address"
}

# resolves PROGRAM...: whether this machine's C library runs them.
resolves() {
  local program
  for program; do
    if ldd "$program" 2>&1 | grep -E 'not found'; then return 1; fi
  done
}
