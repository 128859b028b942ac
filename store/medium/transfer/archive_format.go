package transfer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// An archive is a list of entries, each a path and bytes: the members of a tar stream, or files below a folder. They come in
// this order; the sections in the middle may be empty.
//
//	manifest.json                    Manifest, JSON
//	journals/<name>@<first>          a part of a journal; first is its first position, 20 digits
//	documents/<kind>@<part>          some documents of a kind; part counts from 1, 6 digits
//	blobs/<name>@blob                a blob
//	files/<name>                     what the application added, as it is
//	damaged.json                     []medium.Finding, JSON: what could not be read
//	checksums                        a line "<SHA-256> *<path>" for each entry before it, as sha256sum -c reads them, and at last the
//	                                 line "# end of archive: <entries> entries", without which the archive is incomplete
//
// No name has an @, so that the journal "a" and the journal "a/b" do not meet in a folder.
//
// The entries of journals, documents and blobs carry a checksum of their own, so that a stream can be verified before what it
// holds becomes visible:
//
//	head      a line of JSON: journalHead, documentHead or blobHead
//	body      journals: for each entry  position u64, length u32 (little-endian), length bytes
//	          documents: for each document  a line of JSON: documentLine
//	          blobs: the content
//	trailer   the line "sha256 <64 hex digits> sound  " or "... damaged", 80 bytes with its end: the SHA-256 of head and body; damaged
//	          means that parts of the body could not be read and are zeros, and that it must not be restored
const (
	manifestPath  = "manifest.json"
	journalsDir   = "journals"
	documentsDir  = "documents"
	blobsDir      = "blobs"
	filesDir      = "files"
	damagedPath   = "damaged.json"
	checksumsPath = "checksums"

	blobMark = "blob"

	// archiveFormat is what is written; oldestArchive is the oldest that is read.
	archiveFormat = 1
	oldestArchive = 1
)

// Limits of what is believed when an archive is read, and kept when it is written.
const (
	maxEntries    = 4 << 20 // each takes some 200 bytes of memory until the end
	maxManifest   = 1 << 20
	maxDamagedDoc = 64 << 20
	maxHead       = 4 << 10
	maxFile       = 1 << 40

	// partSize is how large a part of a journal or of documents becomes before the next begins. It is held in memory. One entry
	// or document more fits always.
	partSize = 8 << 20
	maxPart  = int64(partSize + medium.MaxEntry + maxHead + trailerSize + 1<<10)
)

// Manifest says what an archive is.
type Manifest struct {
	Format  int       `json:"format"`
	ID      string    `json:"id"` // tells archives apart
	Time    time.Time `json:"time"`
	Product string    `json:"product"` // the version of Hulotte that wrote it
	Medium  string    `json:"medium"`  // what it was made of, for people: "local" or "cassandra"
	Note    string    `json:"note,omitempty"`
}

type journalHead struct {
	Journal string `json:"journal"`
	// Next is above every position of the journal.
	Next medium.Position `json:"next"`
	// Last says that no part of this journal follows.
	Last bool `json:"last"`
}

type documentHead struct {
	Kind string `json:"kind"`
}

type documentLine struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value,omitempty"`
	// Bytes is the value when it is not written as a part of the line: JSON with line ends, or with what a JSON encoder would change.
	Bytes []byte `json:"bytes,omitempty"`
}

type blobHead struct {
	Blob    string    `json:"blob"`
	Size    int64     `json:"size"`
	Expires time.Time `json:"expires,omitzero"`
}

const (
	trailerSize  = len("sha256 ") + 2*sha256.Size + len(" damaged\n")
	trailerSound = " sound  \n"
	trailerBad   = " damaged\n"
)

func appendTrailer(dst []byte, sum [sha256.Size]byte, sound bool) []byte {
	dst = append(dst, "sha256 "...)
	dst = hex.AppendEncode(dst, sum[:])
	if sound {
		return append(dst, trailerSound...)
	}
	return append(dst, trailerBad...)
}

func parseTrailer(b []byte) (sum [sha256.Size]byte, sound bool, err error) {
	rest, ok := strings.CutPrefix(string(b), "sha256 ")
	if !ok || len(b) != trailerSize {
		return sum, false, fmt.Errorf("its trailer cannot be read")
	}
	if _, err := hex.Decode(sum[:], []byte(rest[:2*sha256.Size])); err != nil {
		return sum, false, fmt.Errorf("its trailer cannot be read")
	}
	switch rest[2*sha256.Size:] {
	case trailerSound:
		return sum, true, nil
	case trailerBad:
		return sum, false, nil
	}
	return sum, false, fmt.Errorf("its trailer cannot be read")
}

func journalPath(name string, first medium.Position) string {
	return fmt.Sprintf("%s/%s@%020d", journalsDir, name, uint64(first))
}

func documentsPath(kind string, part int) string {
	return fmt.Sprintf("%s/%s@%06d", documentsDir, kind, part)
}

func blobPath(name string) string { return blobsDir + "/" + name + "@" + blobMark }

func filePath(name string) string { return filesDir + "/" + name }

// section is a part of the archive; they come in this order.
type section int

const (
	manifestSection section = iota
	journalSection
	documentSection
	blobSection
	fileSection
	damagedSection
	checksumSection
)

// place is what a path says.
type place struct {
	section section
	name    string
	number  uint64 // of a journal's part: the first position; of documents: the part
}

// parsePath is the inverse of journalPath and its like. Whatever else there is, an archive must not hold.
func parsePath(p string) (place, error) {
	switch p {
	case manifestPath:
		return place{section: manifestSection}, nil
	case damagedPath:
		return place{section: damagedSection}, nil
	case checksumsPath:
		return place{section: checksumSection}, nil
	}
	dir, rest, ok := strings.Cut(p, "/")
	if !ok || path.Clean(p) != p {
		return place{}, errUnknownEntry
	}
	name, mark, marked := strings.Cut(rest, "@")
	if medium.ValidName(name) != nil {
		return place{}, errUnknownEntry
	}
	pl := place{name: name}
	switch {
	case dir == filesDir && !marked:
		pl.section = fileSection
		return pl, nil
	case dir == blobsDir && mark == blobMark:
		pl.section = blobSection
		return pl, nil
	case dir == journalsDir && len(mark) == 20:
		pl.section = journalSection
	case dir == documentsDir && len(mark) == 6:
		pl.section = documentSection
	default:
		return place{}, errUnknownEntry
	}
	var err error
	if pl.number, err = strconv.ParseUint(mark, 10, 64); err != nil {
		return place{}, errUnknownEntry
	}
	return pl, nil
}

var errUnknownEntry = fmt.Errorf("no archive has such an entry")

// limit is the largest size of an entry.
func (p place) limit() int64 {
	switch p.section {
	case manifestSection:
		return maxManifest
	case journalSection, documentSection:
		return maxPart
	case blobSection:
		return medium.MaxBlob + maxHead + int64(trailerSize)
	case fileSection:
		return maxFile
	case damagedSection:
		return maxDamagedDoc
	}
	return maxEntries * (medium.MaxName + 256)
}

const endMark = "# end of archive: "

func checksumLine(path string, sum [sha256.Size]byte) string {
	return hex.EncodeToString(sum[:]) + " *" + path + "\n"
}

func endLine(entries int) string { return fmt.Sprintf("%s%d entries\n", endMark, entries) }

// parseChecksumLine is the inverse of checksumLine, without the line's end.
func parseChecksumLine(line string) (p string, sum [sha256.Size]byte, err error) {
	digits, p, ok := strings.Cut(line, " *")
	if !ok || len(digits) != 2*sha256.Size || p == "" {
		return "", sum, fmt.Errorf("the line %.100q is no checksum", line)
	}
	if _, err := hex.Decode(sum[:], []byte(digits)); err != nil {
		return "", sum, fmt.Errorf("the line %.100q is no checksum", line)
	}
	return p, sum, nil
}
