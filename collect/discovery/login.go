package discovery

import "errors"

// login is how a service's image is told, by variables of its environment, who may log in: the convention of the official
// images of Docker Hub. Each is tried in its order; the first whose password is there is taken.
type login struct {
	User     string // whom the password is of, when no variable says so
	Username string // name of the variable with the user
	Password string // name of the variable with the password
}

func (l *login) validate() error {
	if l.Password == "" || (l.User == "" && l.Username == "") {
		return errors.New("password, and user or username, are needed")
	}
	return nil
}

// Login is a user and a password that the environment of a container declares for the service in it.
type Login struct{ Username, Password string }

// Login returns what the service's own environment says; the zero value when it says nothing.
func (s *Service) Login() Login { return s.login }

// readLogin looks into the environment of a container's service. Outside of containers, who may log in is not declared there.
func (d *Discovery) readLogin(in *instance) Login {
	first := in.first()
	if first.container == "" || !d.opts.Environment {
		return Login{}
	}
	for _, l := range in.entry.Logins {
		password := d.processes.variable(first.pid, l.Password)
		if password == "" {
			continue
		}
		user := l.User
		if l.Username != "" {
			if v := d.processes.variable(first.pid, l.Username); v != "" {
				user = v
			}
		}
		if user != "" {
			return Login{Username: user, Password: password}
		}
	}
	return Login{}
}
