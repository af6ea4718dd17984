// SPDX-License-Identifier: Apache-2.0

package harness

import (
	bytes "encoding/binary"
	"fmt"
	"os"
	"sync"
	"syscall"
)

// What the kernel asks a FUSE server, from include/uapi/linux/fuse.h.
const (
	fuseForget    = 2
	fuseGetattr   = 3
	fuseOpen      = 14
	fuseRead      = 15
	fuseRelease   = 18
	fuseFlush     = 25
	fuseInit      = 26
	fuseInterrupt = 36
	fuseDirectIO  = 1 // FOPEN_DIRECT_IO
)

// hangingFile is a file whose reads do not end before it is released, as those of a driver that waits for its card. The
// kernel keeps the reader in the same kind of sleep, which only a fatal signal ends.
type hangingFile struct {
	device   *os.File
	content  []byte
	released chan struct{}
}

// HangAttribute makes reads of a file of the host hang: a FUSE file is mounted over it, in this process's own namespace. The
// function that is returned lets them go on, and must be called before the end of the test: whoever hangs cannot be killed. Where FUSE is not permitted the test is skipped and says so.
func (m *Machine) HangAttribute(name string) (release func()) {
	m.t.Helper()
	content, err := os.ReadFile(m.path(name))
	m.must(err)
	device, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		m.t.Skipf("no FUSE here: %v", err)
	}
	options := fmt.Sprintf("fd=%d,rootmode=%o,user_id=%d,group_id=%d,allow_other", device.Fd(), syscall.S_IFREG|0o444, os.Getuid(), os.Getgid())
	if err := syscall.Mount("hanging", m.path(name), "fuse", syscall.MS_NOSUID|syscall.MS_NODEV, options); err != nil {
		device.Close()
		m.t.Skipf("FUSE cannot be mounted here: %v", err)
	}
	file := &hangingFile{device: device, content: content, released: make(chan struct{})}
	go file.serve()
	m.t.Cleanup(func() {
		m.must(syscall.Unmount(m.path(name), syscall.MNT_DETACH))
		device.Close()
	})
	return sync.OnceFunc(func() { close(file.released) })
}

// serve ends when the file is unmounted.
func (f *hangingFile) serve() {
	request := make([]byte, 1<<17)
	for {
		// struct fuse_in_header: len, opcode, unique, nodeid, ...
		n, err := syscall.Read(int(f.device.Fd()), request)
		if err == syscall.EINTR || err == syscall.ENOENT {
			continue
		}
		if err != nil || n < 40 {
			return
		}
		unique := bytes.LittleEndian.Uint64(request[8:])
		switch bytes.LittleEndian.Uint32(request[4:]) {
		case fuseInit:
			reply := make([]byte, 64)                      // struct fuse_init_out
			bytes.LittleEndian.PutUint32(reply[0:], 7)     // major
			bytes.LittleEndian.PutUint32(reply[4:], 31)    // minor
			bytes.LittleEndian.PutUint32(reply[20:], 4096) // max_write
			f.reply(unique, 0, reply)
		case fuseGetattr:
			reply := make([]byte, 104) // struct fuse_attr_out
			bytes.LittleEndian.PutUint64(reply[16:], 1)
			bytes.LittleEndian.PutUint64(reply[24:], uint64(len(f.content)))
			bytes.LittleEndian.PutUint32(reply[76:], syscall.S_IFREG|0o444)
			bytes.LittleEndian.PutUint32(reply[80:], 1)
			f.reply(unique, 0, reply)
		case fuseOpen:
			reply := make([]byte, 16) // struct fuse_open_out
			bytes.LittleEndian.PutUint32(reply[8:], fuseDirectIO)
			f.reply(unique, 0, reply)
		case fuseRead:
			offset := min(bytes.LittleEndian.Uint64(request[48:]), uint64(len(f.content))) // of struct fuse_read_in
			go func() {
				<-f.released
				f.reply(unique, 0, f.content[offset:])
			}()
		case fuseRelease, fuseFlush:
			f.reply(unique, 0, nil)
		case fuseForget, fuseInterrupt:
		default:
			f.reply(unique, -int32(syscall.ENOSYS), nil)
		}
	}
}

// reply writes a struct fuse_out_header: len, error, unique; and what belongs to it.
func (f *hangingFile) reply(unique uint64, failure int32, content []byte) {
	message := make([]byte, 16, 16+len(content))
	bytes.LittleEndian.PutUint32(message[0:], uint32(16+len(content)))
	bytes.LittleEndian.PutUint32(message[4:], uint32(failure))
	bytes.LittleEndian.PutUint64(message[8:], unique)
	syscall.Write(int(f.device.Fd()), append(message, content...))
}
