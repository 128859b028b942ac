package elastic

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/hulotte-dev/hulotte/ingest/intake"
)

// splitPath returns the parts of a path, which may have escaped slashes in them.
func splitPath(escaped string) ([]string, error) {
	var parts []string
	for part := range strings.SplitSeq(escaped, "/") {
		if part == "" {
			continue
		}
		text, err := url.PathUnescape(part)
		if err != nil {
			return nil, intake.Errorf(http.StatusBadRequest, "cannot read the path: %w", err)
		}
		if len(parts) == maxParts {
			return nil, intake.Errorf(http.StatusNotFound, "the path has more than %d parts: nothing is there", maxParts)
		}
		parts = append(parts, text)
	}
	return parts, nil
}

const (
	maxParts = 8
	maxIndex = 255 // bytes of a name, as in Elasticsearch
)

// dated is the name of an index that has a date at the end, from year and month to the hour: logstash-2026.11.23, app-2026-11,
// app_20261123; a year and a week (2026.47) has the same form. Behind it there may be the number that indexes get which are rolled over.
var dated = regexp.MustCompile(`^(.+?)(?:[-_.]20\d\d(?:[-_.]?\d\d){1,3})?(?:-\d{6})?$`)

// streamOf returns what documents of an index belong to: its name without what changes with time. The indexes of a data stream have
// a name of their own (.ds-logs-app-default-2026.11.23-000001), and names may be formulas (<app-{now/d}>).
func streamOf(index string) string {
	if strings.HasPrefix(index, "<") && strings.HasSuffix(index, ">") {
		if formula := strings.Index(index, "{"); formula > 1 {
			return strings.TrimRight(index[1:formula], "-_.")
		}
	}
	if m := dated.FindStringSubmatch(strings.TrimPrefix(index, ".ds-")); m != nil {
		return m[1]
	}
	return index
}

func checkIndex(index string) *failure {
	switch {
	case index == "":
		return &failure{http.StatusBadRequest, "action_request_validation_exception", "the index is missing: name it in the action (_index) or in the path"}
	case len(index) > maxIndex:
		return &failure{http.StatusBadRequest, "invalid_index_name_exception", fmt.Sprintf("the name of an index may have at most %d bytes, this one has %d", maxIndex, len(index))}
	}
	return nil
}
