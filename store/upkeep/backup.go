package upkeep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/medium/transfer"
)

// Content is what goes into a backup.
type Content struct {
	// Product is our version and Type the medium's, for people who look into a backup.
	Product, Type string
	Medium        medium.Medium
	Hold          *transfer.Hold // that keeps the medium's blobs there meanwhile; nil when nobody writes
	// Tenants are those of the metrics engine, and Copy gives a folder with all of one that does not change until
	// remove is called.
	Tenants []string
	Copy    func(ctx context.Context, tenant string) (dir string, remove func() error, err error)
	// Config is the configuration without its secrets; nil leaves it out.
	Config []byte
}

// The files of a backup that are not the medium's.
const (
	seriesPrefix = "series/"
	configName   = "config/hulotte.yml"
)

// BackupTo writes everything to a sink, and ends the run. What cannot be read because it is damaged is left out and found.
func BackupTo(a *Active, to transfer.Sink, c Content) Run {
	return a.End(backupTo(a, to, c))
}

func backupTo(a *Active, to transfer.Sink, c Content) error {
	w, err := transfer.NewArchiveWriter(to, transfer.Manifest{Product: c.Product, Medium: c.Type})
	if err != nil {
		return fmt.Errorf("cannot begin the backup: %w", err)
	}
	b := &backup{run: a, w: w, content: c}
	if err := b.all(); err != nil {
		return errors.Join(err, w.Abort())
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("cannot end the backup: %w", err)
	}
	return nil
}

// backup is one that is being made.
type backup struct {
	run     *Active
	w       *transfer.ArchiveWriter
	content Content
}

func (b *backup) all() error {
	if err := b.medium(); err != nil {
		return err
	}
	for _, tenant := range b.content.Tenants {
		if err := b.tenant(tenant); err != nil {
			return fmt.Errorf("cannot back up the series of tenant %q: %w", tenant, err)
		}
	}
	if b.content.Config == nil {
		return nil
	}
	return b.w.AddFile(b.run.Context(), configName, int64(len(b.content.Config)), bytes.NewReader(b.content.Config))
}

func (b *backup) medium() error {
	report, err := b.w.AddMedium(b.run.Context(), b.content.Medium, transfer.BackupOptions{
		Hold:     b.content.Hold,
		Progress: func(p transfer.Progress) { b.run.At(p.Phase, p.Name, counted(p.Done)) }, // also of the files behind it
	})
	if err != nil && !errors.Is(err, transfer.ErrDamaged) {
		return fmt.Errorf("cannot back up the medium: %w", err)
	}
	for _, f := range report.Damaged {
		b.run.Found(f)
	}
	b.run.foundMore(report.DamagedTotal - int64(len(report.Damaged)))
	return nil
}

// counted puts the counts of a transfer into ours.
func counted(c transfer.Counts) Counts {
	return Counts{Journals: c.Journals, Entries: c.Entries, Documents: c.Documents, Blobs: c.Blobs, Files: c.Files, Bytes: c.Bytes}
}

func (b *backup) tenant(tenant string) (err error) {
	dir, remove, err := b.content.Copy(b.run.Context(), tenant)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	return filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		if d.IsDir() && leftOut(rel) {
			return fs.SkipDir
		}
		if !d.Type().IsRegular() {
			return nil
		}
		return b.file(p, path.Join(seriesPrefix+tenant, filepath.ToSlash(rel)))
	})
}

// leftOut tells the folders of a tenant that are copies of the rest, or not finished.
func leftOut(dir string) bool {
	return dir == "snapshots" || strings.HasSuffix(dir, ".tmp") || strings.Contains(dir, ".tmp-for-")
}

func (b *backup) file(from, name string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := b.w.AddFile(b.run.Context(), name, info.Size(), f); err != nil {
		return fmt.Errorf("file %s: %w", from, err)
	}
	return nil
}
