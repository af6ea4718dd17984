// SPDX-License-Identifier: Apache-2.0

// Command look is all that is in the image of the containers that a real containerd starts: it waits, or prints what
// device nodes a directory has and which variables are set.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	if len(os.Args) < 2 || os.Args[1] == "wait" {
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
		<-stop
		return
	}
	paths, _ := filepath.Glob(filepath.Join(os.Args[1], "*"))
	for _, path := range paths {
		var stat syscall.Stat_t
		if err := syscall.Stat(path, &stat); err != nil {
			fmt.Println(path, err)
			continue
		}
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		fmt.Printf("%s %d:%d opens %v\n", path, stat.Rdev>>8, stat.Rdev&0xff, err == nil)
		_ = file.Close()
	}
	for _, variable := range os.Environ() {
		if strings.HasPrefix(variable, "CLEAVE_") {
			fmt.Println(variable)
		}
	}
}
