package series

import "fmt"

// Tail returns the folder whose write-ahead log (in Prometheus' format) holds what is written to a tenant, for
// those who send it on, and has notify called after each commit. It must be called once and before anything is
// written.
func (db *DB) Tail(name string, notify func()) (dir string, err error) {
	w, err := db.Writer(name)
	if err != nil {
		return "", err
	}
	t, ok := w.(*tenant)
	if !ok {
		return "", fmt.Errorf("BUG: a writer of an unknown kind: %T", w)
	}
	t.tsdb.SetWriteNotified(notifyFunc(notify))
	return t.dir, nil
}

type notifyFunc func()

func (f notifyFunc) Notify() { f() }
