package reconcile

import (
	"io/fs"
	"syscall"
)

func fileMode(mode uint32) fs.FileMode { return fs.FileMode(mode) }

// ownerOf returns the uid that a file belongs to.
func ownerOf(info fs.FileInfo) (int, bool) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid), true
	}
	return 0, false
}

func groupOf(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Gid)
	}
	return -1
}
