package rowgroup

// columnKind is how the values of a column are coded. Numbers are stored: never change one.
type columnKind uint8

const (
	kindConst    columnKind = 1 // one value for all
	kindDict     columnKind = 2 // at most 256 values, which are in the directory
	kindNumber   columnKind = 3 // whole numbers and decimals, with what is the same before and behind them
	kindHex      columnKind = 4 // hexadecimal ids of one width
	kindIPv4     columnKind = 5
	kindTime     columnKind = 6 // points in time, as the difference from the record's time
	kindText     columnKind = 7
	kindTemplate columnKind = 8 // templates, whose slots are other columns
	kindIndirect columnKind = 9 // each value is one of another column's
	kindAlias    columnKind = 10
)

// column is an entry of the directory. A column's values are numbered from 0 to n-1; which of the values of the column
// above they belong to follows from its templates.
type column struct {
	kind columnKind
	n    int
	off  int // of the payload in Data
	size int
	crc  uint32

	key   string   // JSON: the path; a stored field: its name
	slot  slotKind // of the templates that lead here
	dict  []string // kindConst, kindDict
	inner int      // kindIndirect, kindAlias: another column, of a lower number
	mode  byte     // kindIndirect: indirectCodes, indirectRecent
	num   numberForm
	hex   hexForm
	time  timeForm

	templates []template // kindTemplate

	chars  charset // every byte of every value is one of these
	maxLen int     // of a value

	parent int // the template or indirect column that leads here, or noColumn; aliases are nobody's parents
	weight int // how many pieces one value is put together from, at most
}

// How an indirect column says which value it is. Numbers are stored.
const (
	indirectCodes  = 0 // number of the value
	indirectRecent = 1 // 0: the next one that was not there yet; k: the k-th of those last used, the most recent first
)

// recentWindow is how many values an indirectRecent column goes back: two codes are a byte.
const recentWindow = 15

// template is literals with slots between them.
type template struct {
	literals []string // one more than slots
	slots    []int    // columns
	json     bool     // the text is a whole, valid JSON object
}

// numberForm is how whole numbers and decimals are written.
type numberForm struct {
	prefix, suffix string
	base, max      int64 // least and greatest value, without the decimal point
	scale          byte  // digits behind the point
	pad            byte  // not 0: digits are filled up with zeros to this many
	flags          byte
	first          int64 // numberDelta
	low, high      int64 // of what is stored: values, differences
}

// The flags of numbers. They are stored.
const (
	numberTrim  = 1 << iota // no zeros at the end of the fraction
	numberDelta             // each is stored as the difference from the one before, the first is in first
	numberTimed             // each is stored as the difference from the record's time in the same unit
)

type hexForm struct {
	digits int // without dashes; even
	upper  bool
	uuid   bool // 8-4-4-4-12
}

type timeForm struct {
	format    timeFormat
	low, high int64 // difference from the record's time, in the format's unit
}

// charset is a set of bytes; those that are not ASCII are in it together.
type charset [4]uint64

func (c *charset) addString(s string) {
	for i := range len(s) {
		c[s[i]/64] |= 1 << (s[i] % 64)
	}
	if c[2]|c[3] != 0 {
		c[2], c[3] = ^uint64(0), ^uint64(0)
	}
}

func (c *charset) union(o *charset) {
	for i := range c {
		c[i] |= o[i]
	}
}

func (c *charset) has(b byte) bool { return c[b/64]>>(b%64)&1 == 1 }

// holds says whether all bytes of needle are in the set, in either case when fold is set.
func (c *charset) holds(needle string, fold bool) bool {
	for i := range len(needle) {
		if !c.may(needle[i], fold) {
			return false
		}
	}
	return true
}

func (c *charset) may(b byte, fold bool) bool {
	return c.has(b) || fold && b >= 'a' && b <= 'z' && c.has(b-'a'+'A')
}

func charsOf(texts ...string) (c charset) {
	for _, t := range texts {
		c.addString(t)
	}
	return c
}
