package services

import "golang.org/x/sys/unix"

// setThreadUser changes the effective user of the calling thread alone; syscall.Seteuid would change that of the whole process.
func setThreadUser(uid int) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0)); errno != 0 {
		return errno
	}
	return nil
}
