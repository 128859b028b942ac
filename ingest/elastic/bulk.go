package elastic

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"unsafe"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/internal/jsonscan"
	"github.com/hulotte-dev/hulotte/model"
)

// The actions of a bulk request. The last two change documents, which records are not.
const (
	actionIndex  = "index"
	actionCreate = "create"
	actionUpdate = "update"
	actionDelete = "delete"
)

// item is an action of a bulk request and what became of it. Its strings lie in the request.
type item struct {
	action  string
	index   string
	id      string
	failure *failure // nil when it is kept
	// stream and record tell where the record is in the list of streams; stream is -1 when there is none.
	stream, record int
}

// failure is why an item is not kept, in Elasticsearch's words.
type failure struct {
	status int
	kind   string
	reason string
}

const (
	kindUnsupported = "illegal_argument_exception"
	kindMalformed   = "document_parsing_exception"
)

// bulk decodes a bulk request: lines with actions, each with the line of its document behind it,
//
//	{"index": {"_index": "app"}}
//	{"@timestamp": "...", "message": "..."}
//
// An action that cannot be read makes the whole request fail, as nobody knows what the lines behind it are; a document only itself.
func (d *decoder) bulk(data []byte, index string, most int) error {
	for at := 1; len(data) > 0; at++ {
		var line []byte
		if line, data = nextLine(data); len(line) == 0 {
			continue
		}
		if len(d.items) >= most {
			return intake.Errorf(http.StatusRequestEntityTooLarge, "the request has more than %d documents (ingest.elasticsearch.max_documents): send fewer at a time", most)
		}
		it, err := d.action(line, index)
		if err != nil {
			return fmt.Errorf("line %d is no action: %w", at, err)
		}
		if it.action == actionDelete {
			it.failure = unsupported(it.action)
		} else {
			line, data = nextLine(data)
			at++
			d.take(&it, line)
		}
		d.items = append(d.items, it)
		if err := d.pay(); err != nil {
			return err
		}
	}
	if len(d.items) == 0 {
		return errors.New("the request has no body, or only empty lines")
	}
	return nil
}

// single decodes a document that is the whole request.
func (d *decoder) single(data []byte, it item) error {
	d.take(&it, bytes.TrimSpace(data))
	d.items = append(d.items, it)
	return d.pay()
}

// nextLine cuts a line off.
func nextLine(data []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(data, []byte{'\n'})
	return bytes.TrimSpace(line), rest
}

// action reads {"index": {"_index": "app", "_id": "1"}}, of which everything else is of no meaning here.
func (d *decoder) action(line []byte, index string) (item, error) {
	it := item{index: index, stream: -1}
	d.scan.Next(line)
	err := d.scan.Object(func(name string) error {
		if it.action != "" {
			return errors.New("it has more than one")
		}
		switch name {
		case actionIndex, actionCreate, actionUpdate, actionDelete:
			it.action = name
		default:
			return fmt.Errorf("%.60q is none of index, create, update and delete", name)
		}
		return d.scan.Object(func(key string) (err error) {
			switch {
			case d.scan.Kind() == jsonscan.Null:
				return d.scan.Skip()
			case key == "_index":
				it.index, err = d.scan.Text()
			case key == "_id":
				it.id, err = d.scan.Scalar()
			default:
				err = d.scan.Skip()
			}
			return err
		})
	})
	if err == nil {
		err = d.scan.End()
	}
	if err == nil && it.action == "" {
		err = errors.New("it is empty")
	}
	return it, err
}

func unsupported(action string) *failure {
	return &failure{http.StatusBadRequest, kindUnsupported, "the action " + action + " is not taken, as records do not change: use index or create"}
}

// take makes a record of the document of an item, or says why not.
func (d *decoder) take(it *item, line []byte) {
	it.stream = -1
	if it.action == actionUpdate {
		it.failure = unsupported(it.action)
		return
	}
	if it.failure = checkIndex(it.index); it.failure != nil {
		return
	}
	if len(line) == 0 {
		it.failure = &failure{http.StatusBadRequest, kindMalformed, "the document is missing"}
		return
	}
	fields := len(d.fields)
	r, err := d.document(line, it.index)
	if err != nil {
		d.fields = d.fields[:fields]
		it.failure = &failure{http.StatusBadRequest, kindMalformed, "cannot read the document: " + err.Error()}
		return
	}
	it.stream, it.record = d.out.Add(d.labels, r)
}

// held is the memory of what is made of the request, in bytes. Records are there twice, as the sink changes its own.
func (d *decoder) held() int64 {
	return int64(cap(d.items))*int64(unsafe.Sizeof(item{})) +
		3*int64(d.out.Len())*int64(unsafe.Sizeof(model.Record{})) +
		int64(cap(d.fields))*int64(unsafe.Sizeof(model.Field{})) +
		int64(d.nameBytes)
}

// pay takes that memory of the budget.
func (d *decoder) pay() error {
	held := d.held()
	if held <= d.paid {
		return nil
	}
	const step = 64 << 10 // not for each document
	held += step
	if err := d.reserve(held - d.paid); err != nil {
		return err
	}
	d.paid = held
	return nil
}
