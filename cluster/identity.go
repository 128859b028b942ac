package cluster

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/hulotte-dev/hulotte/internal/vfs"
)

// identityFile holds the node's id in its data folder. It is no part of a backup: whoever restores one on
// another machine makes another node.
const identityFile = "node.id"

var validID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// Identity returns the id of the node whose data folder dir is, and makes one at the first call. An id is a
// valid part of a medium's names.
func Identity(dir string) (string, error) {
	name := filepath.Join(dir, identityFile)
	text, err := readShort(name)
	if errors.Is(err, fs.ErrNotExist) {
		return newIdentity(name)
	}
	if err != nil {
		return "", fmt.Errorf("cannot read this node's id: %w", err)
	}
	id := strings.TrimSpace(text)
	if !validID.MatchString(id) {
		return "", fmt.Errorf("the file %s does not hold a node's id: write 1 to 63 of a-z, 0-9 and - into it, "+
			"the same as before, or delete it for a new one", name)
	}
	return id, nil
}

func readShort(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 128))
	return string(b), err
}

// newIdentity makes an id of 64 random bits: short enough to read out, and no two of a cluster alike.
func newIdentity(name string) (string, error) {
	b := make([]byte, 8)
	rand.Read(b)
	id := "node-" + hex.EncodeToString(b)
	if err := vfs.WriteFile(vfs.OS{}, name, []byte(id+"\n"), 0o640); err != nil {
		return "", fmt.Errorf("cannot keep this node's id: %w", err)
	}
	return id, nil
}
