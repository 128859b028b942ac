package elastic

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/hulotte-dev/hulotte/ingest/intake"
)

// version is that of Elasticsearch whose API this is: the last one of 8, as Filebeat wants no older one than itself, and clients of 7 to
// 9 talk to it.
const version = "8.19.0"

// uuid stands where Elasticsearch has one of a cluster or of a licence.
const uuid = "aHVsb3R0ZS1sb2dzLTAwMQ"

type object = map[string]any

// handshake answers what senders ask and do besides sending documents.
func handshake(w http.ResponseWriter, r *http.Request, path []string) (int, []byte, error) {
	if len(path) == 0 {
		return reply(info(), wantMethod(r, http.MethodGet, http.MethodHead))
	}
	if strings.HasPrefix(path[0], "_") {
		return system(w, r, path[0], path[1:])
	}
	return ofIndex(r, path[0], path[1:])
}

func reply(v any, err error) (int, []byte, error) {
	if err != nil {
		return 0, nil, err
	}
	b, err := json.Marshal(v)
	return http.StatusOK, b, err
}

func info() any {
	return object{
		"name": "hulotte", "cluster_name": "hulotte", "cluster_uuid": uuid, "tagline": "You Know, for Search",
		"version": object{
			"number": version, "build_flavor": "default", "build_type": "tar", "build_hash": "unknown", "build_date": "2025-07-23T22:05:59.401829251Z",
			"build_snapshot": false, "lucene_version": "9.12.2",
			"minimum_wire_compatibility_version": "7.17.0", "minimum_index_compatibility_version": "7.0.0",
		},
	}
}

// system answers for paths that begin with an underscore; rest is what stands behind the first part.
func system(w http.ResponseWriter, r *http.Request, what string, rest []string) (int, []byte, error) {
	switch what {
	case "_license":
		return reply(object{"license": object{
			"uid": uuid, "type": "basic", "status": "active", "issued_to": "hulotte", "issuer": "hulotte", "max_nodes": 1000,
			"issue_date": "2025-01-01T00:00:00.000Z", "issue_date_in_millis": 1735689600000, "start_date_in_millis": -1,
		}}, nil)
	case "_xpack":
		on, off := object{"available": true, "enabled": true}, object{"available": true, "enabled": false}
		return reply(object{
			"build": object{"hash": "unknown", "date": "2025-07-23T22:05:59.401Z"}, "tagline": "You know, for X",
			"license":  object{"uid": uuid, "type": "basic", "mode": "basic", "status": "active"},
			"features": object{"ilm": on, "data_streams": on, "security": off, "monitoring": off, "ml": off, "watcher": off},
		}, nil)
	case "_nodes":
		return reply(nodes(r.Host), nil)
	case "_cluster":
		return cluster(rest)
	case "_cat":
		return cat(w, r, rest)
	case "_refresh", "_flush":
		return reply(shards(), nil)
	case "_aliases":
		return reply(acknowledged, nil)
	case "_ilm", "_index_template", "_component_template", "_template", "_ingest", "_data_stream", "_alias", "_security", "_lifecycle":
		return kept(r, what, rest)
	case "_search", "_msearch", "_count", "_mget", "_sql", "_query", "_async_search":
		return 0, nil, errReading
	}
	return 0, nil, intake.Errorf(http.StatusNotFound, "%.100q is not here: Hulotte has those parts of Elasticsearch's API with which logs are sent", what)
}

var (
	errReading   = intake.Errorf(http.StatusNotImplemented, "Hulotte takes documents in Elasticsearch's API, and is asked in LogQL over Loki's")
	acknowledged = object{"acknowledged": true}
)

func shards() object { return object{"_shards": object{"total": 1, "successful": 1, "failed": 0}} }

// nodes tells of one node, at the address at which it was asked.
func nodes(host string) any {
	return object{
		"_nodes": object{"total": 1, "successful": 1, "failed": 0}, "cluster_name": "hulotte",
		"nodes": object{uuid: object{
			"name": "hulotte", "version": version, "build_flavor": "default", "build_type": "tar", "host": host, "ip": host,
			"roles": []string{"data", "ingest", "master"}, "http": object{"bound_address": []string{host}, "publish_address": host},
			"plugins": []any{}, "ingest": object{"processors": []any{}},
		}},
	}
}

func cluster(rest []string) (int, []byte, error) {
	switch {
	case len(rest) > 0 && rest[0] == "health":
		return reply(object{
			"cluster_name": "hulotte", "status": "green", "timed_out": false, "number_of_nodes": 1, "number_of_data_nodes": 1,
			"active_primary_shards": 1, "active_shards": 1, "relocating_shards": 0, "initializing_shards": 0, "unassigned_shards": 0,
			"delayed_unassigned_shards": 0, "number_of_pending_tasks": 0, "number_of_in_flight_fetch": 0,
			"task_max_waiting_in_queue_millis": 0, "active_shards_percent_as_number": 100.0,
		}, nil)
	case len(rest) > 0 && rest[0] == "settings":
		return reply(object{"persistent": object{}, "transient": object{}, "defaults": object{}}, nil)
	}
	return 0, nil, intake.Errorf(http.StatusNotFound, "of _cluster there are health and settings")
}

// cat answers in text, as Elasticsearch does where nothing else is asked for: rsyslog looks at /_cat/health.
func cat(w http.ResponseWriter, r *http.Request, rest []string) (int, []byte, error) {
	if len(rest) == 0 || rest[0] != "health" {
		return 0, nil, intake.Errorf(http.StatusNotFound, "of _cat there is health")
	}
	if strings.Contains(r.Header.Get("Accept"), "json") || r.URL.Query().Get("format") == "json" {
		return reply([]object{{"cluster": "hulotte", "status": "green", "node.total": "1", "node.data": "1"}}, nil)
	}
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	return http.StatusOK, []byte("hulotte green 1 1 1 1 0 0 0 0 - 100.0%\n"), nil
}

// kept answers about templates, pipelines, policies, data streams and aliases. Senders put them before they send documents. Nothing of
// them has a meaning here, so that each that is asked for is there, and each that is put is acknowledged.
func kept(r *http.Request, what string, rest []string) (int, []byte, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return reply(acknowledged, nil)
	}
	name := ""
	if n := len(rest); n > 0 && rest[n-1] != "policy" && rest[n-1] != "pipeline" {
		name = rest[n-1]
	}
	list := func(key string, one object) (int, []byte, error) {
		all := []object{}
		if name != "" {
			all = append(all, one)
		}
		return reply(object{key: all}, nil)
	}
	named := func(one object) (int, []byte, error) {
		if name == "" {
			return reply(object{}, nil)
		}
		return reply(object{name: one}, nil)
	}
	switch what {
	case "_index_template":
		return list("index_templates", object{"name": name, "index_template": object{
			"index_patterns": []string{name + "*"}, "composed_of": []string{}, "priority": 100, "data_stream": object{},
		}})
	case "_component_template":
		return list("component_templates", object{"name": name, "component_template": object{"template": object{}}})
	case "_data_stream":
		return list("data_streams", object{
			"name": name, "timestamp_field": object{"name": "@timestamp"}, "indices": []object{}, "generation": 1, "status": "GREEN", "template": name,
		})
	case "_template":
		return named(object{"order": 0, "index_patterns": []string{name + "*"}, "settings": object{}, "mappings": object{}, "aliases": object{}})
	case "_ilm":
		if name == "status" {
			return reply(object{"operation_mode": "RUNNING"}, nil)
		}
		return named(object{"version": 1, "modified_date": "2025-01-01T00:00:00.000Z", "policy": object{"phases": object{}}})
	case "_ingest":
		return named(object{"processors": []object{}})
	case "_alias":
		return named(object{"aliases": object{name: object{}}})
	}
	return reply(object{}, nil)
}

// ofIndex answers for an index, which is always there.
func ofIndex(r *http.Request, index string, rest []string) (int, []byte, error) {
	reading := r.Method == http.MethodGet || r.Method == http.MethodHead
	if len(rest) == 0 {
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			return reply(object{index: object{"aliases": object{}, "mappings": object{}, "settings": object{}}}, nil)
		case http.MethodPut:
			return reply(object{"acknowledged": true, "shards_acknowledged": true, "index": index}, nil)
		}
		return reply(nil, wantMethod(r, http.MethodGet, http.MethodHead, http.MethodPut))
	}
	switch rest[0] {
	case "_refresh", "_flush":
		return reply(shards(), nil)
	case "_mapping", "_mappings", "_settings", "_alias", "_aliases":
		if reading {
			return reply(object{index: object{strings.TrimSuffix(rest[0][1:], "s") + "s": object{}}}, nil)
		}
		return reply(acknowledged, nil)
	case "_search", "_msearch", "_count", "_mget":
		return 0, nil, errReading
	case "_update", "_update_by_query", "_delete_by_query":
		return 0, nil, intake.Errorf(http.StatusBadRequest, "records do not change: use _bulk, _doc or _create")
	}
	return 0, nil, intake.Errorf(http.StatusNotFound, "%.100q is not here: Hulotte has those parts of Elasticsearch's API with which logs are sent", rest[0])
}
