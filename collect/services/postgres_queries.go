package services

import (
	"slices"

	dto "github.com/prometheus/client_model/go"
)

const pgDay = 86400

// pgQueries are asked in this order. A version is 90600 for 9.6, 150000 for 15.
func pgQueries() []query {
	out := slices.Concat(pgDatabases(), []query{pgBackgroundWriter, pgBackgroundWriter17, pgCheckpointer, pgActivity}, pgServer())
	return append(out, pgTables, pgTablesIO)
}

// pgDatabases are about each database.
func pgDatabases() []query {
	return []query{
		{
			about: "pg_stat_database", since: 90200, labels: []string{"datid", "datname"},
			text: `select datid, coalesce(datname, ''), numbackends, xact_commit, xact_rollback, blks_read, blks_hit, tup_returned, tup_fetched,
				tup_inserted, tup_updated, tup_deleted, conflicts, temp_files, temp_bytes, deadlocks, blk_read_time, blk_write_time,
				coalesce(extract(epoch from stats_reset), 0) from pg_stat_database`,
			columns: []column{
				gaugeOf("Backends connected to the database.", "pg_stat_database_numbackends"),
				counterOf("Transactions that were committed.", "pg_stat_database_xact_commit"),
				counterOf("Transactions that were rolled back.", "pg_stat_database_xact_rollback"),
				counterOf("Blocks that were read from disk.", "pg_stat_database_blks_read"),
				counterOf("Blocks that were found in the buffer cache.", "pg_stat_database_blks_hit"),
				counterOf("Rows that scans returned.", "pg_stat_database_tup_returned"),
				counterOf("Rows that queries fetched.", "pg_stat_database_tup_fetched"),
				counterOf("Rows inserted.", "pg_stat_database_tup_inserted"),
				counterOf("Rows updated.", "pg_stat_database_tup_updated"),
				counterOf("Rows deleted.", "pg_stat_database_tup_deleted"),
				counterOf("Queries that were ended because of conflicts with recovery.", "pg_stat_database_conflicts"),
				counterOf("Temporary files that queries made.", "pg_stat_database_temp_files"),
				counterOf("Bytes written to temporary files.", "pg_stat_database_temp_bytes"),
				counterOf("Deadlocks that were found.", "pg_stat_database_deadlocks"),
				counterOf("Time that reading blocks took, in milliseconds.", "pg_stat_database_blk_read_time"),
				counterOf("Time that writing blocks took, in milliseconds.", "pg_stat_database_blk_write_time"),
				counterOf("When these statistics began, in seconds since 1970.", "pg_stat_database_stats_reset"),
			},
		},
		{
			about: "pg_stat_database (sessions)", since: 140000, labels: []string{"datid", "datname"},
			text:    `select datid, coalesce(datname, ''), active_time / 1000.0 from pg_stat_database`,
			columns: []column{counterOf("Time that statements ran.", "pg_stat_database_active_time_seconds_total")},
		},
		{
			about: "the databases that conflict", since: 90200, labels: []string{"datid", "datname"},
			text: `select datid, datname, confl_tablespace, confl_lock, confl_snapshot, confl_bufferpin, confl_deadlock from pg_stat_database_conflicts`,
			columns: []column{
				counterOf("Queries ended because of dropped tablespaces.", "pg_stat_database_conflicts_confl_tablespace"),
				counterOf("Queries ended because of locks.", "pg_stat_database_conflicts_confl_lock"),
				counterOf("Queries ended because of old snapshots.", "pg_stat_database_conflicts_confl_snapshot"),
				counterOf("Queries ended because of pinned buffers.", "pg_stat_database_conflicts_confl_bufferpin"),
				counterOf("Queries ended because of deadlocks.", "pg_stat_database_conflicts_confl_deadlock"),
			},
		},
		{
			about: "pg_stat_archiver", since: 90400,
			text: `select archived_count, failed_count, extract(epoch from now() - last_archived_time) from pg_stat_archiver`,
			columns: []column{
				counterOf("Segments of the log that were archived.", "pg_stat_archiver_archived_count"),
				counterOf("Segments whose archiving failed.", "pg_stat_archiver_failed_count"),
				gaugeOf("Time since a segment was archived.", "pg_stat_archiver_last_archive_age"),
			},
		},
		{
			about: "long transactions", since: 90200,
			text: `select count(*), max(extract(epoch from clock_timestamp() - xact_start)) from pg_stat_activity
				where xact_start is not null and state is distinct from 'idle' and pid <> pg_backend_pid() and query not like 'autovacuum:%'`,
			columns: []column{
				gaugeOf("Transactions that run now.", "pg_long_running_transactions"),
				gaugeOf("How long the oldest of them has run, in seconds.", "pg_long_running_transactions_oldest_timestamp_seconds"),
			},
		},
		{
			about: "pg_locks", labels: []string{"datname", "mode"},
			text: `select d.datname, m.mode, count(l.mode) from pg_database d
				cross join (values ('accesssharelock'), ('rowsharelock'), ('rowexclusivelock'), ('shareupdateexclusivelock'), ('sharelock'),
					('sharerowexclusivelock'), ('exclusivelock'), ('accessexclusivelock'), ('sireadlock')) as m(mode)
				left join pg_locks l on l.database = d.oid and lower(l.mode) = m.mode group by 1, 2`,
			columns: []column{gaugeOf("Locks held or waited for, by mode.", "pg_locks_count")},
		},
		{
			about: "the databases", labels: []string{"datname"},
			text:    `select datname, datconnlimit from pg_database where datallowconn`,
			columns: []column{gaugeOf("Connections that the database allows; -1 is no limit.", "pg_database_connection_limit")},
		},
		{
			about: "the databases' ages", labels: []string{"datname"}, since: 90300,
			text: `select datname, age(datfrozenxid), mxid_age(datminmxid) from pg_database where datallowconn`,
			columns: []column{
				gaugeOf("Age of the oldest transaction that is not frozen.", "pg_database_wraparound_age_datfrozenxid_seconds"),
				gaugeOf("Age of the oldest multixact that is not frozen.", "pg_database_wraparound_age_datminmxid_seconds"),
			},
		},
		{
			about: "the databases' sizes", labels: []string{"datname"},
			text: `select datname, case when has_database_privilege(datname, 'connect') then pg_database_size(datname) end
				from pg_database where datallowconn`,
			columns: []column{gaugeOf("Space that the database takes on disk.", "pg_database_size_bytes")},
		},
	}
}

// pgServer is about the server as a whole.
func pgServer() []query {
	return []query{
		{
			about: "replication", since: 100000,
			text: `select case when not pg_is_in_recovery() or pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then 0
				else greatest(0, extract(epoch from now() - pg_last_xact_replay_timestamp())) end,
				case when pg_is_in_recovery() then 1 else 0 end, greatest(0, extract(epoch from now() - pg_last_xact_replay_timestamp()))`,
			columns: []column{
				gaugeOf("How far a standby is behind; 0 on a primary.", "pg_replication_lag_seconds", "pg_replication_lag"),
				gaugeOf("1 on a standby.", "pg_replication_is_replica"),
				gaugeOf("Time since a transaction was replayed.", "pg_replication_last_replay_seconds"),
			},
		},
		{
			about: "pg_stat_replication", since: 100000, labels: []string{"application_name", "client_addr", "state", "slot_name", "pid"},
			text: `select r.application_name, r.client_addr::text, r.state, s.slot_name, r.pid,
				pg_wal_lsn_diff(p.at, '0/0'), pg_wal_lsn_diff(p.at, r.replay_lsn) from pg_stat_replication r
				cross join (select case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end as at) p
				left join pg_replication_slots s on s.active_pid = r.pid`,
			columns: []column{
				gaugeOf("Position in the log, in bytes.", "pg_stat_replication_pg_current_wal_lsn_bytes"),
				gaugeOf("Bytes of the log that the standby has not replayed.", "pg_stat_replication_pg_wal_lsn_diff"),
			},
		},
		{
			about: "pg_replication_slots", since: 100000, labels: []string{"slot_name", "database"},
			text: `select slot_name, database, active, pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end, restart_lsn)
				from pg_replication_slots`,
			columns: []column{
				gaugeOf("1 while somebody uses the slot.", "pg_replication_slots_active"),
				gaugeOf("Bytes of the log that the slot holds back.", "pg_replication_slots_pg_wal_lsn_diff"),
			},
		},
		{
			about: "the log's size", since: 100000, optional: true,
			text: `select count(*), sum(size) from pg_ls_waldir() where name ~ '^[0-9A-F]{24}$'`,
			columns: []column{
				gaugeOf("Segments of the log.", "pg_wal_segments"),
				gaugeOf("Space that the log takes.", "pg_wal_size_bytes"),
			},
		},
		{
			about: "the roles", labels: []string{"rolname"},
			text:    `select rolname, rolconnlimit from pg_roles where rolcanlogin`,
			columns: []column{gaugeOf("Connections that the role may have; -1 is no limit.", "pg_roles_connection_limit")},
		},
		{
			about:   "the start",
			text:    `select extract(epoch from pg_postmaster_start_time())`,
			columns: []column{gaugeOf("When the server started, in seconds since 1970.", "pg_postmaster_start_time_seconds")},
		},
	}
}

// The families of the background writer have their names of now and those before version 0.14 of the exporter, which many dashboards ask for.
var pgBackgroundWriter = query{
	about: "pg_stat_bgwriter", before: 170000,
	text: `select checkpoints_timed, checkpoints_req, checkpoint_write_time, checkpoint_sync_time, buffers_checkpoint, buffers_clean,
		maxwritten_clean, buffers_backend, buffers_backend_fsync, buffers_alloc, extract(epoch from stats_reset) from pg_stat_bgwriter`,
	columns: []column{
		bgwriter("checkpoints_timed", "Checkpoints that were due."),
		bgwriter("checkpoints_req", "Checkpoints that were asked for."),
		bgwriter("checkpoint_write_time", "Time that checkpoints wrote files, in milliseconds."),
		bgwriter("checkpoint_sync_time", "Time that checkpoints synced files, in milliseconds."),
		bgwriter("buffers_checkpoint", "Buffers that checkpoints wrote."),
		bgwriter("buffers_clean", "Buffers that the background writer wrote."),
		bgwriter("maxwritten_clean", "How often the background writer stopped because it had written too much."),
		bgwriter("buffers_backend", "Buffers that backends wrote themselves."),
		bgwriter("buffers_backend_fsync", "How often a backend had to sync itself."),
		bgwriter("buffers_alloc", "Buffers allocated."),
		bgwriter("stats_reset", "When these statistics began, in seconds since 1970."),
	},
}

var pgBackgroundWriter17 = query{
	about: "pg_stat_bgwriter", since: 170000,
	text: `select buffers_clean, maxwritten_clean, buffers_alloc, extract(epoch from stats_reset) from pg_stat_bgwriter`,
	columns: []column{
		bgwriter("buffers_clean", "Buffers that the background writer wrote."),
		bgwriter("maxwritten_clean", "How often the background writer stopped because it had written too much."),
		bgwriter("buffers_alloc", "Buffers allocated."),
		bgwriter("stats_reset", "When these statistics began, in seconds since 1970."),
	},
}

func bgwriter(name, help string) column {
	return counterOf(help, "pg_stat_bgwriter_"+name+"_total", "pg_stat_bgwriter_"+name)
}

var pgCheckpointer = query{
	about: "pg_stat_checkpointer", since: 170000,
	text: `select num_timed, num_requested, restartpoints_timed, restartpoints_req, restartpoints_done, write_time, sync_time,
		buffers_written, extract(epoch from stats_reset) from pg_stat_checkpointer`,
	columns: []column{
		counterOf("Checkpoints that were due.", "pg_stat_checkpointer_num_timed_total"),
		counterOf("Checkpoints that were asked for.", "pg_stat_checkpointer_num_requested_total"),
		counterOf("Restartpoints that were due.", "pg_stat_checkpointer_restartpoints_timed_total"),
		counterOf("Restartpoints that were asked for.", "pg_stat_checkpointer_restartpoints_req_total"),
		counterOf("Restartpoints that were made.", "pg_stat_checkpointer_restartpoints_done_total"),
		counterOf("Time that files were written, in milliseconds.", "pg_stat_checkpointer_write_time_total"),
		counterOf("Time that files were synced, in milliseconds.", "pg_stat_checkpointer_sync_time_total"),
		counterOf("Buffers written.", "pg_stat_checkpointer_buffers_written_total"),
		counterOf("When these statistics began, in seconds since 1970.", "pg_stat_checkpointer_stats_reset_total"),
	},
}

// pgActivity counts connections, with a zero for each state that nobody of a database is in.
var pgActivity = query{
	about: "pg_stat_activity", since: 100000,
	labels: []string{"datname", "state", "usename", "application_name", "backend_type", "wait_event_type", "wait_event"},
	text: `select d.datname, s.state, a.usename, a.application_name, a.backend_type, a.wait_event_type, a.wait_event,
		coalesce(a.n, 0), coalesce(a.longest, 0) from pg_database d
		cross join (values ('active'), ('idle'), ('idle in transaction'), ('idle in transaction (aborted)'), ('fastpath function call'), ('disabled')) as s(state)
		left join (select datname, state, usename, application_name, backend_type, wait_event_type, wait_event, count(*) as n,
			max(extract(epoch from now() - xact_start)) as longest from pg_stat_activity where pid <> pg_backend_pid()
			group by 1, 2, 3, 4, 5, 6, 7) a on a.datname = d.datname and a.state = s.state`,
	columns: []column{
		gaugeOf("Connections, by state and what they wait for.", "pg_stat_activity_count"),
		gaugeOf("How long the oldest of their transactions has run, in seconds.", "pg_stat_activity_max_tx_duration"),
	},
}

// pgTables are those of the database that is asked, the largest first, so that a limit leaves out the small ones.
var pgTables = query{
	about: "pg_stat_user_tables", labels: []string{"datname", "schemaname", "relname"}, since: 90400,
	text: `select current_database(), schemaname, relname, seq_scan, seq_tup_read, idx_scan, idx_tup_fetch, n_tup_ins, n_tup_upd, n_tup_del,
		n_tup_hot_upd, n_live_tup, n_dead_tup, n_mod_since_analyze, coalesce(extract(epoch from last_vacuum), 0),
		coalesce(extract(epoch from last_autovacuum), 0), coalesce(extract(epoch from last_analyze), 0),
		coalesce(extract(epoch from last_autoanalyze), 0), vacuum_count, autovacuum_count, analyze_count, autoanalyze_count,
		pg_indexes_size(relid), pg_table_size(relid) from pg_stat_user_tables order by pg_relation_size(relid) desc limit 200`,
	columns: []column{
		table1("seq_scan", "Scans of the whole table."), table1("seq_tup_read", "Rows that they read."),
		table1("idx_scan", "Scans of indexes."), table1("idx_tup_fetch", "Rows that they fetched."),
		table1("n_tup_ins", "Rows inserted."), table1("n_tup_upd", "Rows updated."), table1("n_tup_del", "Rows deleted."),
		table1("n_tup_hot_upd", "Rows updated in place."),
		tableGauge("n_live_tup", "Rows that live, estimated."), tableGauge("n_dead_tup", "Rows that are dead, estimated."),
		tableGauge("n_mod_since_analyze", "Rows changed since the table was analysed."),
		tableGauge("last_vacuum", "When it was vacuumed by hand, in seconds since 1970."),
		tableGauge("last_autovacuum", "When it was vacuumed by the daemon, in seconds since 1970."),
		tableGauge("last_analyze", "When it was analysed by hand, in seconds since 1970."),
		tableGauge("last_autoanalyze", "When it was analysed by the daemon, in seconds since 1970."),
		table1("vacuum_count", "How often it was vacuumed by hand."), table1("autovacuum_count", "How often it was vacuumed by the daemon."),
		table1("analyze_count", "How often it was analysed by hand."), table1("autoanalyze_count", "How often it was analysed by the daemon."),
		tableGauge("index_size_bytes", "Space that its indexes take."), tableGauge("table_size_bytes", "Space that it takes without indexes."),
	},
}

func table1(name, help string) column     { return counterOf(help, "pg_stat_user_tables_"+name) }
func tableGauge(name, help string) column { return gaugeOf(help, "pg_stat_user_tables_"+name) }

var pgTablesIO = query{
	about: "pg_statio_user_tables", labels: []string{"datname", "schemaname", "relname"},
	text: `select current_database(), schemaname, relname, heap_blks_read, heap_blks_hit, idx_blks_read, idx_blks_hit, toast_blks_read,
		toast_blks_hit, tidx_blks_read, tidx_blks_hit from pg_statio_user_tables order by pg_relation_size(relid) desc limit 200`,
	columns: []column{
		counterOf("Blocks of the table read from disk.", "pg_statio_user_tables_heap_blocks_read"),
		counterOf("Blocks of the table found in the cache.", "pg_statio_user_tables_heap_blocks_hit"),
		counterOf("Blocks of its indexes read from disk.", "pg_statio_user_tables_idx_blocks_read"),
		counterOf("Blocks of its indexes found in the cache.", "pg_statio_user_tables_idx_blocks_hit"),
		counterOf("Blocks of its TOAST table read from disk.", "pg_statio_user_tables_toast_blocks_read"),
		counterOf("Blocks of its TOAST table found in the cache.", "pg_statio_user_tables_toast_blocks_hit"),
		counterOf("Blocks of its TOAST table's indexes read from disk.", "pg_statio_user_tables_tidx_blocks_read"),
		counterOf("Blocks of its TOAST table's indexes found in the cache.", "pg_statio_user_tables_tidx_blocks_hit"),
	},
}

// pgUnits turn a setting's unit into seconds or bytes (PostgreSQL's documentation, "Parameter Names and Values").
var pgUnits = map[string]struct {
	factor float64
	unit   string
}{
	"us": {1e-6, "seconds"}, "ms": {1e-3, "seconds"}, "s": {1, "seconds"}, "min": {60, "seconds"}, "h": {3600, "seconds"}, "d": {pgDay, "seconds"},
	"B": {1, "bytes"}, "kB": {1 << 10, "bytes"}, "MB": {1 << 20, "bytes"}, "GB": {1 << 30, "bytes"}, "TB": {1 << 40, "bytes"},
	"1kB": {1 << 10, "bytes"}, "2kB": {2 << 10, "bytes"}, "4kB": {4 << 10, "bytes"}, "8kB": {8 << 10, "bytes"}, "16kB": {16 << 10, "bytes"},
	"32kB": {32 << 10, "bytes"}, "64kB": {64 << 10, "bytes"}, "1MB": {1 << 20, "bytes"}, "16MB": {16 << 20, "bytes"}, "32MB": {32 << 20, "bytes"}, "64MB": {64 << 20, "bytes"},
}

const pgSettings = `select name, setting, coalesce(unit, ''), vartype from pg_settings where vartype in ('bool', 'integer', 'real')`

// addPgSetting adds one row of pgSettings under its base unit; -1 is not a quantity.
func addPgSetting(f *families, row [][]byte) {
	if len(row) != 4 {
		return
	}
	name, setting, unit, typ := string(row[0]), string(row[1]), string(row[2]), string(row[3])
	metric := []byte("pg_settings_" + name)
	for i, c := range metric {
		if c == '.' || c == '-' {
			metric[i] = '_'
		}
	}
	v := truth(setting == "on")
	if typ != "bool" {
		var err error
		if v, err = sqlNumber(setting); err != nil {
			return
		}
		if unit != "" {
			u, ok := pgUnits[unit]
			if !ok {
				return
			}
			if metric = append(metric, "_"+u.unit...); v != -1 {
				v *= u.factor
			}
		}
	}
	if isWord(string(metric)) {
		f.of(dto.MetricType_GAUGE, string(metric), "The setting "+name+".", v)
	}
}
