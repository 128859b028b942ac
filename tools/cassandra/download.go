package cassandra

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/internal/lockfile"
)

//go:embed pom.xml
var pom string

// jarDir is the folder of the server's jars: there whole or not at all.
func jarDir(cacheDir string) string { return filepath.Join(cacheDir, "cassandra-"+Version) }

func downloaded(cacheDir string) bool {
	_, err := os.Stat(jarDir(cacheDir))
	return err == nil
}

// download returns the folder of the jars, which it asks Maven for when they are not there yet. Of several processes
// that come at once, one downloads and the others wait.
func download(ctx context.Context, o Options) (string, error) {
	dir := jarDir(o.CacheDir)
	if downloaded(o.CacheDir) {
		return dir, nil
	}
	if err := os.MkdirAll(o.CacheDir, 0o755); err != nil {
		return "", fmt.Errorf("cannot keep Apache Cassandra: %w", err)
	}
	lock, err := waitForLock(ctx, o.CacheDir)
	if err != nil {
		return "", fmt.Errorf("cannot download Apache Cassandra: %w", err)
	}
	defer lock.Release() //nolint:errcheck // the kernel gives it up in any case
	if downloaded(o.CacheDir) {
		return dir, nil
	}
	o.Log("downloading Apache Cassandra %s into %s", Version, dir)
	return dir, runMaven(ctx, dir)
}

// waitForLock waits for as long as another process holds the folder.
func waitForLock(ctx context.Context, dir string) (*lockfile.Lock, error) {
	for {
		lock, err := lockfile.Acquire(dir)
		var held *lockfile.HeldError
		if err == nil || !errors.As(err, &held) {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the process with pid %d is at it: %w", held.PID, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// runMaven fills a folder beside dir and renames it, so that a download that breaks off leaves nothing behind.
func runMaven(ctx context.Context, dir string) error {
	mvn, err := findMaven()
	if err != nil {
		return fmt.Errorf("cannot download Apache Cassandra: %w", err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "download-*")
	if err != nil {
		return fmt.Errorf("cannot download Apache Cassandra: %w", err)
	}
	defer os.RemoveAll(tmp) //nolint:errcheck // what stays is a stray folder in a cache
	if err := os.WriteFile(filepath.Join(tmp, "pom.xml"), []byte(strings.ReplaceAll(pom, "@VERSION@", Version)), 0o644); err != nil {
		return fmt.Errorf("cannot download Apache Cassandra: %w", err)
	}
	cmd := exec.CommandContext(ctx, mvn, "--quiet", "--batch-mode", "--strict-checksums", "dependency:copy-dependencies", "-DoutputDirectory=jars")
	cmd.Dir = tmp
	cmd.WaitDelay = 5 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot download Apache Cassandra with %s: %w\n%s\nMaven Central must be reachable once (a mirror or proxy goes into ~/.m2/settings.xml)", mvn, err, lastLines(string(out), 15))
	}
	jars := filepath.Join(tmp, "jars")
	if _, err := os.Stat(filepath.Join(jars, "cassandra-all-"+Version+".jar")); err != nil {
		return fmt.Errorf("cannot download Apache Cassandra: Maven reported success, but %w", err)
	}
	if err := os.Rename(jars, dir); err != nil {
		return fmt.Errorf("cannot keep Apache Cassandra: %w", err)
	}
	return nil
}

// lastLines returns at most n lines from the end of s.
func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
