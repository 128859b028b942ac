package api

import (
	"strconv"
	"time"

	"github.com/hulotte-dev/hulotte/query/logql"
)

// appendLogStats writes what a query cost in the form that Loki documents ("Statistics") and its clients read: groups of
// records are its chunks, what is in memory is its ingester's, and what is in blocks its store's.
func appendLogStats(dst []byte, s logql.Stats) []byte {
	seconds := s.Exec.Seconds()
	lines := s.HeadRecords + s.RecordsRead
	chunks := s.Groups - s.GroupsSkipped
	dst = append(dst, `{"summary":{"bytesProcessedPerSecond":`...)
	dst = strconv.AppendInt(dst, perSecond(s.BytesSearched, s.Exec), 10)
	dst = appendStat(dst, "linesProcessedPerSecond", perSecond(lines, s.Exec))
	dst = appendStat(dst, "totalBytesProcessed", s.BytesSearched)
	dst = appendStat(dst, "totalLinesProcessed", lines)
	dst = append(dst, `,"execTime":`...)
	dst = strconv.AppendFloat(dst, seconds, 'f', -1, 64)
	dst = append(dst, `,"queueTime":`...)
	dst = strconv.AppendFloat(dst, s.Queued.Seconds(), 'f', -1, 64)
	dst = append(dst, `,"subqueries":0,"splits":1,"shards":0`...)
	dst = appendStat(dst, "totalEntriesReturned", int64(s.Entries))
	dst = appendStat(dst, "totalPostFilterLines", s.RecordsYielded)
	dst = appendStat(dst, "groups", s.Groups) // ours, like the next
	dst = appendStat(dst, "groupsSkipped", s.GroupsSkipped)
	dst = append(dst, `,"totalStructuredMetadataBytesProcessed":0},"querier":{"store":`...)
	dst = appendStoreStats(dst, storeStats{
		refs: s.Groups, downloaded: chunks, lines: s.RecordsRead, bytes: share(s.BytesSearched, s.RecordsRead, lines), compressed: s.BytesRead,
	})
	dst = append(dst, `},"ingester":{"totalReached":1`...)
	dst = appendStat(dst, "totalChunksMatched", min(s.HeadRecords, 1))
	dst = append(dst, `,"totalBatches":0`...)
	dst = appendStat(dst, "totalLinesSent", 0)
	dst = append(dst, `,"store":`...)
	dst = appendStoreStats(dst, storeStats{headLines: s.HeadRecords, headBytes: share(s.BytesSearched, s.HeadRecords, lines)})
	return append(dst, `},"cache":{},"index":{}}`...)
}

type storeStats struct{ refs, downloaded, lines, bytes, compressed, headLines, headBytes int64 }

func appendStoreStats(dst []byte, s storeStats) []byte {
	dst = append(dst, `{"totalChunksRef":`...)
	dst = strconv.AppendInt(dst, s.refs, 10)
	dst = appendStat(dst, "totalChunksDownloaded", s.downloaded)
	dst = append(dst, `,"chunksDownloadTime":0,"chunk":{"headChunkBytes":`...)
	dst = strconv.AppendInt(dst, s.headBytes, 10)
	dst = appendStat(dst, "headChunkLines", s.headLines)
	dst = appendStat(dst, "decompressedBytes", s.bytes)
	dst = appendStat(dst, "decompressedLines", s.lines)
	dst = appendStat(dst, "compressedBytes", s.compressed)
	return append(dst, `,"totalDuplicates":0}}`...)
}

func appendStat(dst []byte, name string, n int64) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':')
	return strconv.AppendInt(dst, n, 10)
}

// perSecond is a rate; of what took no time at all it is the amount.
func perSecond(n int64, d time.Duration) int64 {
	if d <= 0 {
		return n
	}
	return int64(float64(n) / d.Seconds())
}

// share is the part of total that belongs to part of whole: head and blocks are not told apart by bytes.
func share(total, part, whole int64) int64 {
	if whole == 0 {
		return 0
	}
	return int64(float64(total) * float64(part) / float64(whole))
}

// statsJSON is what our own endpoints say about the cost of an answer.
type statsJSON struct {
	Bytes         int64   `json:"bytes"`   // searched, as they came in
	Records       int64   `json:"records"` // looked at
	Matched       int64   `json:"matched"` // passed the line filters
	Seconds       float64 `json:"seconds"`
	Groups        int64   `json:"groups"`
	GroupsSkipped int64   `json:"groupsSkipped"`
}

func logStatsJSON(s logql.Stats) statsJSON {
	return statsJSON{
		Bytes: s.BytesSearched, Records: s.HeadRecords + s.RecordsRead, Matched: s.RecordsYielded,
		Seconds: s.Exec.Seconds(), Groups: s.Groups, GroupsSkipped: s.GroupsSkipped,
	}
}

// addLogStats adds the cost of another part of the same answer.
func addLogStats(s *logql.Stats, o logql.Stats) {
	s.Add(o.EventStats)
	s.Entries += o.Entries
	s.Queued += o.Queued
	s.Exec += o.Exec
}
