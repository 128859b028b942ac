package process

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// users names users by etc/passwd. It asks no directory service, whose answer may take for ever.
type users struct {
	path    string
	read    time.Time // when the file was looked at
	changed time.Time // its time of change then
	names   map[uint32]string
}

const (
	usersEvery = time.Minute
	maxPasswd  = 4 << 20 // bytes
)

func newUsers(rootfs string) *users { return &users{path: filepath.Join(rootfs, "etc/passwd")} }

// refresh reads the file when it has changed; it looks once a minute.
func (u *users) refresh(now time.Time) {
	if !u.read.IsZero() && now.Sub(u.read) < usersEvery {
		return
	}
	u.read = now
	f, err := os.Open(u.path)
	if err != nil {
		return
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || st.ModTime().Equal(u.changed) {
		return
	}
	if text, err := io.ReadAll(io.LimitReader(f, maxPasswd)); err == nil {
		u.names, u.changed = parsePasswd(text), st.ModTime()
	}
}

// name returns a user's name, else the number.
func (u *users) name(uid uint32) string {
	if name, ok := u.names[uid]; ok {
		return name
	}
	return strconv.FormatUint(uint64(uid), 10)
}

// parsePasswd reads "name:password:uid:..." lines (passwd(5)); the first of a number counts.
func parsePasswd(text []byte) map[uint32]string {
	names := map[uint32]string{}
	for line := range bytes.Lines(text) {
		f := bytes.SplitN(line, []byte(":"), 4)
		if len(f) < 4 || len(f[0]) == 0 {
			continue
		}
		uid, err := strconv.ParseUint(string(f[2]), 10, 32)
		if err != nil {
			continue
		}
		if _, taken := names[uint32(uid)]; !taken {
			names[uint32(uid)] = cleanName(string(f[0]))
		}
	}
	return names
}
