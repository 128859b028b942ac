package zabbix

import (
	"bufio"
	"context"
	"crypto/md5" //nolint:gosec // the key is named after it
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

func fileItems() map[string]item {
	return map[string]item{
		"vfs.file.size":     limited(2, fileSize),
		"vfs.file.exists":   limited(3, fileExists),
		"vfs.file.time":     limited(2, fileTime),
		"vfs.file.md5sum":   limited(1, fileMD5),
		"vfs.file.cksum":    limited(2, fileCksum),
		"vfs.file.contents": limited(2, fileContents),
		"vfs.file.regexp":   limited(6, fileRegexp),
		"vfs.file.regmatch": limited(5, fileRegmatch),
	}
}

// folders are where files may be looked at. A path outside of them, also by a symbolic link, is refused by the kernel's side (os.Root).
type folders map[string]*os.Root

func openFolders(paths []string) (folders, error) {
	f := folders{}
	for _, p := range paths {
		if !filepath.IsAbs(p) {
			f.close()
			return nil, fmt.Errorf("folders: %s is a relative path; write the whole path", p)
		}
		root, err := os.OpenRoot(p)
		if err != nil {
			f.close()
			return nil, fmt.Errorf("folders: %w", err)
		}
		f[filepath.Clean(p)] = root
	}
	return f, nil
}

func (f folders) close() {
	for _, root := range f {
		_ = root.Close()
	}
}

var (
	errFolder  = errors.New("This agent is not allowed to look at files outside of its folders.") //nolint:staticcheck // the words of the protocol
	errNotFile = errors.New("Not a regular file.")                                                //nolint:staticcheck // the words of the protocol
	errNone    = errors.New("Cannot obtain file information: [2] No such file or directory")      //nolint:staticcheck // the words of the protocol
	errBig     = fmt.Errorf("File is larger than %d KiB.", maxValue>>10)                          //nolint:staticcheck // the words of the protocol
)

// find is the folder that a path is in, and its name there.
func (f folders) find(path string) (*os.Root, string, error) {
	if path == "" {
		return nil, "", invalid(0)
	}
	path = filepath.Clean(path)
	for dir, root := range f {
		if name, ok := strings.CutPrefix(path, strings.TrimSuffix(dir, "/")+"/"); ok {
			return root, name, nil
		}
	}
	return nil, "", errFolder
}

// open opens a regular file. A pipe or device is not waited for.
func (f folders) open(path string) (*os.File, os.FileInfo, error) {
	root, name, err := f.find(path)
	if err != nil {
		return nil, nil, err
	}
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, errNone
	}
	if err != nil {
		return nil, nil, err
	}
	fi, err := file.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = errNotFile
	}
	if err != nil {
		_ = file.Close()
		return nil, nil, err
	}
	return file, fi, nil
}

func (f folders) stat(path string) (os.FileInfo, error) {
	root, name, err := f.find(path)
	if err != nil {
		return nil, err
	}
	fi, err := root.Stat(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, errNone
	}
	return fi, err
}

func fileSize(ctx context.Context, a *Agent, k Key) (string, error) {
	switch k.Param(1) {
	case "", "bytes":
		fi, err := a.files.stat(k.Param(0))
		if err != nil {
			return "", err
		}
		return strconv.FormatInt(fi.Size(), 10), nil
	case "lines":
		n := uint64(0)
		err := a.read(ctx, k.Param(0), func(b []byte) {
			for _, c := range b {
				if c == '\n' {
					n++
				}
			}
		})
		return formatUint(n), err
	}
	return "", invalid(1)
}

func fileExists(_ context.Context, a *Agent, k Key) (string, error) {
	want, not := k.Param(1), k.Param(2)
	if want == "" {
		if want = "file"; not != "" {
			want = "any"
		}
	}
	fi, err := a.files.stat(k.Param(0))
	if errors.Is(err, errNone) {
		return "0", nil
	}
	if err != nil {
		return "", err
	}
	if hasType(want, fi.Mode()) && (not == "" || !hasType(not, fi.Mode())) {
		return "1", nil
	}
	return "0", nil
}

// hasType says whether one of the types, with commas between them, fits.
func hasType(types string, m os.FileMode) bool {
	for t := range strings.SplitSeq(types, ",") {
		switch t {
		case "any", "all":
			return true
		case "file":
			if m.IsRegular() {
				return true
			}
		case "dir":
			if m.IsDir() {
				return true
			}
		case "fifo":
			if m&os.ModeNamedPipe != 0 {
				return true
			}
		case "sock":
			if m&os.ModeSocket != 0 {
				return true
			}
		}
	}
	return false
}

func fileTime(_ context.Context, a *Agent, k Key) (string, error) {
	fi, err := a.files.stat(k.Param(0))
	if err != nil {
		return "", err
	}
	sys, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return "", errUnsupported
	}
	switch k.Param(1) {
	case "", "modify":
		return strconv.FormatInt(sys.Mtim.Sec, 10), nil
	case "access":
		return strconv.FormatInt(sys.Atim.Sec, 10), nil
	case "change":
		return strconv.FormatInt(sys.Ctim.Sec, 10), nil
	}
	return "", invalid(1)
}

// read hands out a file in parts until its end, or until the item's time is up.
func (a *Agent) read(ctx context.Context, path string, f func([]byte)) error {
	file, _, err := a.files.open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	buf := make([]byte, 64<<10)
	for {
		if ctx.Err() != nil {
			return errors.New("Timeout while processing item.") //nolint:staticcheck // the words of the protocol
		}
		n, err := file.Read(buf)
		f(buf[:n])
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func fileMD5(ctx context.Context, a *Agent, k Key) (string, error) {
	h := md5.New() //nolint:gosec // the key is named after it
	err := a.read(ctx, k.Param(0), func(b []byte) { h.Write(b) })
	return hex.EncodeToString(h.Sum(nil)), err
}

// fileCksum is the checksum of cksum(1) (POSIX): a CRC of the bytes and then of their number.
func fileCksum(ctx context.Context, a *Agent, k Key) (string, error) {
	if m := k.Param(1); m != "" && m != "crc32" {
		return "", invalid(1)
	}
	table := cksumTable()
	var crc uint32
	size := uint64(0)
	err := a.read(ctx, k.Param(0), func(b []byte) {
		size += uint64(len(b))
		for _, c := range b {
			crc = crc<<8 ^ table[byte(crc>>24)^c]
		}
	})
	for ; size > 0; size >>= 8 {
		crc = crc<<8 ^ table[byte(crc>>24)^byte(size)]
	}
	return formatUint(uint64(^crc)), err
}

func cksumTable() (table [256]uint32) {
	for i := range table {
		crc := uint32(i) << 24 //nolint:gosec // below 256
		for range 8 {
			if crc&(1<<31) != 0 {
				crc = crc<<1 ^ 0x04c11db7
			} else {
				crc <<= 1
			}
		}
		table[i] = crc
	}
	return table
}

func fileContents(ctx context.Context, a *Agent, k Key) (string, error) {
	if e := strings.ToLower(k.Param(1)); e != "" && e != "utf-8" && e != "utf8" {
		return "", invalid(1)
	}
	_, err := a.files.stat(k.Param(0))
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = a.read(ctx, k.Param(0), func(part []byte) {
		if b.Len() <= maxValue {
			b.Write(part)
		}
	})
	if b.Len() > maxValue {
		return "", errBig
	}
	return strings.TrimRight(b.String(), "\r\n"), err
}

// lines finds the first line, of those from start to end, that matches.
func (a *Agent) match(ctx context.Context, k Key) (groups []string, err error) {
	re, err := regexp.Compile("(?m)" + k.Param(1))
	if err != nil || k.Param(1) == "" {
		return nil, invalid(1)
	}
	if e := strings.ToLower(k.Param(2)); e != "" && e != "utf-8" && e != "utf8" {
		return nil, invalid(2)
	}
	start, end := 1, int(^uint(0)>>1)
	for i, into := range map[int]*int{3: &start, 4: &end} {
		if p := k.Param(i); p != "" {
			if *into, err = strconv.Atoi(p); err != nil || *into < 1 {
				return nil, invalid(i)
			}
		}
	}
	file, _, err := a.files.open(k.Param(0))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, maxValue)
	for n := 1; scanner.Scan() && n <= end; n++ {
		if n%1000 == 0 && ctx.Err() != nil {
			return nil, errors.New("Timeout while processing item.") //nolint:staticcheck // the words of the protocol
		}
		if n < start {
			continue
		}
		line := strings.TrimSuffix(scanner.Text(), "\r")
		if m := re.FindStringSubmatch(line); m != nil {
			return append([]string{line}, m...), nil
		}
	}
	return nil, scanner.Err()
}

// fileRegexp answers with the line that matches, or with what the last parameter makes of it: \0 is the match, \1 to \9 its groups.
func fileRegexp(ctx context.Context, a *Agent, k Key) (string, error) {
	m, err := a.match(ctx, k)
	if err != nil || m == nil {
		return "", err
	}
	output := k.Param(5)
	if output == "" {
		return m[0], nil
	}
	var pairs []string
	for i := range 10 {
		value := ""
		if i+1 < len(m) {
			value = m[i+1]
		}
		pairs = append(pairs, `\`+strconv.Itoa(i), value)
	}
	return strings.NewReplacer(append(pairs, `\@`, m[1])...).Replace(output), nil
}

func fileRegmatch(ctx context.Context, a *Agent, k Key) (string, error) {
	m, err := a.match(ctx, k)
	if err != nil {
		return "", err
	}
	if m == nil {
		return "0", nil
	}
	return "1", nil
}
