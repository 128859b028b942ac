package series

// DiskBytes returns what the blocks, logs and heads of all open tenants take on the disk.
func (db *DB) DiskBytes() int64 {
	var sum int64
	for _, t := range db.opened() {
		sum += t.tsdb.Head().Size()
		for _, b := range t.tsdb.Blocks() {
			sum += b.Size()
		}
	}
	return sum
}

// FreeBytes returns what this process may still write to the file system of dir.
func FreeBytes(dir string) (int64, error) { return freeBytes(dir) }
