package medium

import "context"

// A Position is the place of an entry in its journal: 1 for the first entry ever, and growing. Positions are never used
// twice, not even after everything was truncated. They have gaps where an append failed. 0 means "before everything".
type Position uint64

// Journals keeps ordered lists of entries, each appended to by one writer at a time. Names are as ValidName says; by
// convention the first part is the node that writes.
type Journals interface {
	// Open opens the journal for appending and makes it when it is not there. A torn end, left by a crash, is cut.
	// While it is open, every other Open of this name, by whichever process, gets ErrInUse; when the writer has died
	// that may last as long as the medium needs to be sure of it.
	Open(ctx context.Context, name string, o JournalOptions) (Journal, error)

	// Replay calls f for the entries at from and after it, in order of position, and stops at f's first error, which it
	// returns. The journal need not be open, and may be open elsewhere: every entry that was acknowledged before the call is
	// seen. The bytes are f's only until it returns. Damage costs only what is damaged: it is returned, and the
	// entries behind it are replayed. A journal that is not there is ErrNotFound.
	Replay(ctx context.Context, name string, from Position, f func(Position, []byte) error) ([]Damage, error)

	// List returns all journals in order of name.
	List(ctx context.Context) ([]JournalInfo, error)

	// Delete removes a journal with everything in it. An open one is ErrInUse; one that is not there is not an error.
	Delete(ctx context.Context, name string) error
}

// JournalOptions is how to open a journal; its zero value works.
type JournalOptions struct {
	// Next is the least position that the next entry gets, for a journal that continues one of another medium.
	Next Position
}

// JournalInfo tells of a journal without reading it.
type JournalInfo struct {
	Name string
	// Next is above the position of every entry that was ever acknowledged in it.
	Next Position
	// Bytes is the room that it takes on the medium, as far as the medium can tell cheaply; else 0.
	Bytes int64
}

// A Journal is open for appending.
type Journal interface {
	// Append adds an entry of 0 to MaxEntry bytes. When it returns without an error the entry is durable and
	// has the position returned. Entries that wait at the same time are made durable together. An Append that begins after
	// another has returned gets a higher position. After an error the entry may or may not be there at the next Replay
	// (ErrUncertain, or the context's end) but the same answer is given from then on. When the queue of waiting entries is full,
	// Append waits for room. A full medium is ErrNoSpace, and the journal works again once there is room.
	Append(ctx context.Context, entry []byte) (Position, error)

	// AppendAt is Append with a position of the caller's choice, which must be above all before it, else the error is
	// Invalid. It copies a journal from one medium to another; it is not for use beside Append.
	AppendAt(ctx context.Context, at Position, entry []byte) error

	// Truncate lets go of the entries below before. The room comes back in whole segments, so that some of
	// them may be replayed still.
	Truncate(ctx context.Context, before Position) error

	// Close makes durable what was appended and gives the journal back. Appends after it are ErrClosed.
	Close() error
}

// Damage is a stretch of a journal that cannot be read.
type Damage struct {
	// Where names the file and offset, or the table and key.
	Where string
	// After is the last sound position before it, and Before the first behind it; 0 when there is none. What was lost
	// lies between them.
	After, Before Position
	// Bytes is how many were skipped, as far as it is known.
	Bytes int64
	// Kept is where the damaged bytes were set aside for a person to look at; empty when they stay where they are.
	Kept string
	// Problem says what is wrong with them.
	Problem string
}
