package discovery

import (
	"encoding/json"
	"strings"
	"testing"
)

// What a container's environment declares is used for its service's metrics, is not shown, and is asked of containers only.
func TestLoginOfAContainer(t *testing.T) {
	f := func(comm, environment string, contained, allowed bool, want Login) {
		t.Helper()
		m := newMachine(t)
		m.engine()
		p := fake{pid: 10, comm: comm, args: []string{comm}, namespace: 77, sockets: []int{m.listen(77, "0.0.0.0:5000")}}
		if contained {
			p.cgroup = m.container(1, "db", comm, "172.17.0.2", nil)
		} else {
			p.namespace, p.sockets = 0, []int{m.listen(0, "0.0.0.0:5000")}
		}
		m.add(p)
		m.write("10/environ", environment)
		d := m.discovery(Options{Environment: allowed})
		m.scan(d, 0)
		all := d.Services()
		if len(all) != 1 {
			t.Fatalf("%s: found %v", comm, all)
		}
		if got := all[0].Login(); got != want {
			t.Errorf("%s with %q: the login is %+v, want %+v", comm, environment, got, want)
		}
		if text, err := json.Marshal(all); err != nil || strings.Contains(string(text), "hush") {
			t.Errorf("%s: the password is shown: %s %v", comm, text, err)
		}
	}
	f("postgres", "A=b\x00POSTGRES_PASSWORD=hush\x00", true, true, Login{"postgres", "hush"})
	f("postgres", "POSTGRES_USER=app\x00POSTGRES_PASSWORD=hush\x00", true, true, Login{"app", "hush"})
	f("postgres", "POSTGRES_PASSWORD=hush\x00", false, true, Login{})
	f("postgres", "POSTGRES_PASSWORD=hush\x00", true, false, Login{})
	f("mariadbd", "MYSQL_USER=app\x00MYSQL_PASSWORD=hush2\x00MARIADB_ROOT_PASSWORD=hush\x00", true, true, Login{"root", "hush"})
	f("mysqld", "MYSQL_USER=app\x00MYSQL_PASSWORD=hush\x00", true, true, Login{"app", "hush"})
	f("mysqld", "MYSQL_PASSWORD=hush\x00", true, true, Login{})
	f("mongod", "", true, true, Login{})
}
