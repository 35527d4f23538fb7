"""The servers that are measured, and those in front of them."""

import glob
import os
import subprocess

from workspace import Failed, answers, eventually, free_port

HTTP_PARAMS = {"REQUEST_METHOD": "$request_method", "CONTENT_TYPE": "$content_type",
               "CONTENT_LENGTH": "$content_length"}


class Fcgi:
    """A FastCGI program behind spawn-fcgi, in one process or several."""

    def __init__(self, workspace, words, processes=1, log=None):
        self.workspace = workspace
        self.socket = workspace.fresh("s")
        self.log = log
        self.params = {"SEALPOST_LOG": log} if log else {}
        many = ["/usr/bin/multiwatch", "-f", str(processes), "--"] if processes > 1 else []
        self.process = workspace.start(
            ["spawn-fcgi", "-n", "-s", self.socket, "-M", "0600", "--", *many, *words])
        eventually(words[0] + " listens", lambda: answers(self.socket))

    def stop(self):
        self.workspace.stop(self.process)

    def memory(self, line="VmRSS"):
        """MiB, as the kernel calls it in the process's status."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            kib = next(l.split()[1] for l in status if l.startswith(line + ":"))
        return int(kib) / 1024

    def cpu(self):
        """Seconds of user's and of system's time so far."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        tick = os.sysconf("SC_CLK_TCK")
        return int(fields[11]) / tick, int(fields[12]) / tick


def sealpost(workspace, home, processes=1, program="sealpost.fcgi", before=()):
    server = Fcgi(workspace, [*before, workspace.bin(program)], processes, log=home + ".log")
    server.params["SEALPOST_HOME"] = home
    return server


class Fpm:
    """PHP-FPM with 8 workers and the peer."""

    def __init__(self, workspace, database=None):
        self.workspace = workspace
        self.socket = workspace.fresh("s")
        script = workspace.path("peer.php")
        database = database or workspace.path("peer.db")
        workspace.copy(os.path.join(os.path.dirname(__file__), "peer.php"), "peer.php", 0o644)
        subprocess.run(["php", script, "init", database], check=True)
        self.params = {"SCRIPT_FILENAME": script, "PEER_DATABASE": database}
        programs = sorted(glob.glob("/usr/sbin/php-fpm*"))
        if not programs:
            raise Failed("there is no php-fpm")
        config = workspace.write("fpm.conf", f"""[global]
error_log = {workspace.path("fpm.log")}
daemonize = no
[peer]
listen = {self.socket}
listen.backlog = 1024
pm = static
pm.max_children = 8
""")
        self.process = workspace.start([programs[-1], "-F", "-y", config])
        eventually("php-fpm listens", lambda: os.path.exists(self.socket) and answers(self.socket))


class Nginx:
    """One worker.  Each server is at /NAME, and with kept FastCGI connections at /NAME/kept."""

    def __init__(self, workspace, servers):
        self.workspace = workspace
        self.port = free_port()
        upstreams, locations = "", ""
        for name, server in servers.items():
            # A location with parameters of its own has none of those around it.
            params = "".join(f"   fastcgi_param {key} {value};\n"
                             for key, value in {**HTTP_PARAMS, **server.params}.items())
            upstreams += f" upstream {name} {{ server unix:{server.socket}; }}\n"
            upstreams += f" upstream {name}_kept {{ server unix:{server.socket}; keepalive 64; }}\n"
            for kept in ("", "_kept"):
                locations += (f"  location = /{name}{kept.replace('_', '/')} {{\n"
                              f"   fastcgi_pass {name}{kept};\n{params}"
                              + ("   fastcgi_keep_conn on;\n" if kept else "") + "  }\n")
        temp = "".join(f" {kind}_temp_path {workspace.path('t_' + kind)};\n" for kind in
                       ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = workspace.write(f"nginx.{self.port}.conf", f"""daemon off;
worker_processes 1;
pid {workspace.path(f"nginx.{self.port}.pid")};
error_log {workspace.path("nginx.log")};
events {{ worker_connections 1024; }}
http {{
 access_log off;
 client_max_body_size 2m;
 client_body_buffer_size 2m;
 keepalive_requests 10000000;
{temp}{upstreams} server {{
  listen 127.0.0.1:{self.port} backlog=1024;
{locations} }}
}}
""")
        self.process = workspace.start(["/usr/sbin/nginx", "-c", config])
        eventually("nginx answers", lambda: answers(("127.0.0.1", self.port)))

    def url(self, name, kept=False):
        return f"http://127.0.0.1:{self.port}/{name}{'/kept' if kept else ''}"

    def stop(self):
        self.workspace.stop(self.process)


class Apache:
    """mod_cgid; the programs of `cgi` are at /NAME."""

    def __init__(self, workspace, cgi, variables):
        self.port = free_port()
        root = workspace.path("www")
        os.mkdir(root)
        for name in cgi:
            workspace.copy(workspace.bin(name), "www/" + name)
        modules = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"
                          for name in ("mpm_event", "authz_core", "env", "cgid"))
        settings = "".join(f'SetEnv {key} "{value}"\n' for key, value in variables.items())
        config = workspace.write("httpd.conf", f"""ServerName localhost
ServerRoot {workspace.folder}
{modules}PidFile {workspace.path("apache.pid")}
ErrorLog {workspace.path("apache.log")}
Listen 127.0.0.1:{self.port}
DocumentRoot {root}
ScriptSock {workspace.path("cgisock")}
Mutex file:{workspace.folder}
StartServers 1
MaxKeepAliveRequests 0
{settings}<Directory {root}>
 Options +ExecCGI
 SetHandler cgi-script
</Directory>
""")
        workspace.start(["/usr/sbin/apache2", "-D", "FOREGROUND", "-f", config])
        eventually("Apache answers", lambda: answers(("127.0.0.1", self.port)))

    def url(self, name):
        return f"http://127.0.0.1:{self.port}/{name}"
