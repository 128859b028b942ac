package transfer

import (
	"sync"
	"time"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// Progress is how far a transfer is.
type Progress struct {
	Phase string `json:"phase"` // "counting", "journals", "documents", "blobs", "files", "comparing" or "verifying"
	Name  string `json:"name"`  // what is being worked on
	Done  Counts `json:"done"`
	// Total is zero as long as it is not known; a tar stream never knows it.
	Total   Counts        `json:"total"`
	Elapsed time.Duration `json:"elapsed"`
	Rate    float64       `json:"rate"` // bytes a second, of the last seconds
}

// job is one transfer: its report and its progress, which many goroutines add to.
type job struct {
	tell func(Progress)

	calling sync.Mutex // held while tell is called, so that no two goroutines call it

	mu       sync.Mutex // no I/O under it, and tell is not called
	report   Report
	progress Progress
	begun    time.Time
	told     time.Time
	toldAt   int64 // Done.Bytes then
}

// tellEvery is how often progress is told.
const tellEvery = 500 * time.Millisecond

func newJob(tell func(Progress)) *job {
	if tell == nil {
		tell = func(Progress) {}
	}
	now := time.Now()
	return &job{tell: tell, begun: now, told: now}
}

// phase begins a phase, and tells the end of the one before.
func (j *job) phase(name string) {
	j.mu.Lock()
	j.progress.Phase, j.progress.Name = name, ""
	j.mu.Unlock()
	j.tellNow()
}

func (j *job) setTotal(total Counts) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.progress.Total = total
}

// restart sets what is done to nothing, for a second pass.
func (j *job) restart() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.progress.Done = Counts{}
	j.toldAt = 0
}

// working names what is being worked on.
func (j *job) working(name string) {
	j.mu.Lock()
	j.progress.Name = name
	j.mu.Unlock()
}

// done adds to what is done, and tells it when it is time.
func (j *job) done(c Counts) {
	j.mu.Lock()
	j.progress.Done.add(c)
	due := time.Since(j.told) >= tellEvery
	j.mu.Unlock()
	if due && j.calling.TryLock() {
		defer j.calling.Unlock()
		j.tell(j.snapshot())
	}
}

func (j *job) tellNow() {
	j.calling.Lock()
	defer j.calling.Unlock()
	j.tell(j.snapshot())
}

func (j *job) snapshot() Progress {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	if since := now.Sub(j.told).Seconds(); since > 0 {
		rate := float64(j.progress.Done.Bytes-j.toldAt) / since
		const weight = 0.3 // of the last half second against what was before
		j.progress.Rate += weight * (rate - j.progress.Rate)
		j.told, j.toldAt = now, j.progress.Done.Bytes
	}
	j.progress.Elapsed = now.Sub(j.begun)
	return j.progress
}

func (j *job) copied(c Counts) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.report.Copied.add(c)
}

func (j *job) skipped(c Counts) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.report.Skipped.add(c)
}

func (j *job) expired() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.report.Expired++
}

func (j *job) damaged(f medium.Finding) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.report.DamagedTotal++
	if len(j.report.Damaged) < maxListed {
		j.report.Damaged = append(j.report.Damaged, f)
	}
}

func (j *job) conflict(c Conflict) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.report.ConflictsTotal++
	if len(j.report.Conflicts) < maxListed {
		j.report.Conflicts = append(j.report.Conflicts, c)
	}
}

func (j *job) difference(c Conflict) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.report.DifferencesTotal++
	if len(j.report.Differences) < maxListed {
		j.report.Differences = append(j.report.Differences, c)
	}
}
