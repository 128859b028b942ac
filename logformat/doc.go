// Package logformat knows the formats of log lines: how one is recognised, where a record begins when it has several
// lines, and where its time, its level and its fields stand. It also finds the level of any line, and masks secrets.
//
// The formats are an embedded catalogue, the files formats/*.yml: adding one needs no code. Level is for every line that
// comes in, whatever its format; Detect and Format are for files, which keep one format for long.
//
// Nothing here keeps a line, and nothing can fail: what is not understood has no time, no fields and the level "unknown".
package logformat
