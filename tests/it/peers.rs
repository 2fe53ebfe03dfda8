//! What connectors talk to: real brokers and databases on free ports of this machine, and a gate before them that can
//! be shut or go mute. Where a program is not installed the reason for skipping is printed; `make test` installs them.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Longer than a start takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running program with its folder; it dies with its handle.
pub struct Daemon {
    child: Child,
    folder: TempDir,
    pub address: SocketAddr,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Postgres ends its children when it is interrupted; when it is killed they may live on.
        let interrupted = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        let end = Instant::now() + Duration::from_secs(5);
        while interrupted.is_ok() && Instant::now() < end {
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A program of this machine; else the reason for skipping is printed.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    folders.extend(versions.map(|version| version.path().join("bin")));
    let found = folders.into_iter().map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        println!("skipped: {name} is not installed");
    }
    found
}

fn free_port() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Daemon {
    fn start(mut command: Command, folder: TempDir, address: SocketAddr) -> Self {
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut daemon = Self { child: command.spawn().unwrap(), folder, address };
        let end = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(address).is_err() {
            let ended = daemon.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < end, "{command:?}: {ended:?}: {}", daemon.log());
            std::thread::sleep(Duration::from_millis(25));
        }
        daemon
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// An MQTT broker; `login` is the one that it lets in, or everybody.
    pub fn mosquitto(login: Option<(&str, &str)>) -> Option<Self> {
        Self::mosquitto_with(login, Line::Plain)
    }

    /// The same over that line.
    pub fn mosquitto_with(login: Option<(&str, &str)>, line: Line) -> Option<Self> {
        let (folder, address, program) = (tempfile::tempdir().unwrap(), free_port(), program("mosquitto")?);
        let mut settings = format!("listener {} 127.0.0.1\nmax_queued_messages 0\n", address.port());
        if let Some((certificate, key)) = line.files(folder.path(), 0o644) {
            let (certificate, key) = (certificate.display(), key.display());
            settings = format!("{settings}certfile {certificate}\nkeyfile {key}\n");
        }
        match login {
            None => settings.push_str("allow_anonymous true\n"),
            Some((user, password)) => {
                let file = folder.path().join("passwords");
                ran(Command::new("mosquitto_passwd").args(["-c", "-b"]).arg(&file).args([user, password]));
                readable(folder.path(), &file);
                settings = format!("{settings}allow_anonymous false\npassword_file {}\n", file.display());
            }
        }
        let file = folder.path().join("mosquitto.conf");
        std::fs::write(&file, settings).unwrap();
        let mut command = Command::new(program);
        command.arg("-c").arg(file);
        Some(Self::start(command, folder, address))
    }

    /// A NATS server with `JetStream`.
    pub fn nats() -> Option<Self> {
        Self::nats_with(Line::Plain)
    }

    /// The same over that line.
    pub fn nats_with(line: Line) -> Option<Self> {
        let (folder, address, program) = (tempfile::tempdir().unwrap(), free_port(), program("nats-server")?);
        let mut command = Command::new(program);
        command.args(["-js", "-a", "127.0.0.1", "-p", &address.port().to_string(), "-sd"]).arg(folder.path());
        if let Some((certificate, key)) = line.files(folder.path(), 0o644) {
            command.args(["--tls", "--tlscert"]).arg(certificate).arg("--tlskey").arg(key);
        }
        Some(Self::start(command, folder, address))
    }

    /// A PostgreSQL server whose user `city` owns the database `city` and needs the password `s3cret`.
    pub fn postgres() -> Option<Self> {
        Self::postgres_with(Line::Plain)
    }

    /// The same over that line.
    pub fn postgres_with(line: Line) -> Option<Self> {
        let (initdb, postgres) = (program("initdb")?, program("postgres")?);
        let (folder, address) = (tempfile::tempdir().unwrap(), free_port());
        let (data, secret) = (folder.path().join("data"), folder.path().join("secret"));
        std::fs::write(&secret, "s3cret\n").unwrap();
        let as_server = |program: &Path| {
            let mut command = Command::new(program);
            command.current_dir("/");
            // The server refuses to be run by root.
            if let Some((user, group)) = postgres_user() {
                std::os::unix::fs::chown(folder.path(), Some(user), Some(group)).unwrap();
                command.uid(user).gid(group);
            }
            command
        };
        readable(folder.path(), &secret);
        ran(as_server(&initdb).arg("-D").arg(&data).arg("--pwfile").arg(&secret).args([
            "-U",
            "city",
            "-A",
            "scram-sha-256",
            "--no-sync",
            "-E",
            "UTF8",
        ]));
        let mut command = as_server(&postgres);
        command.arg("-D").arg(&data).arg("-k").arg(folder.path()).args(["-p", &address.port().to_string()]);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]);
        if let Some((certificate, key)) = line.files(folder.path(), 0o600) {
            let setting = |name: &str, file: &Path| format!("{name}={}", file.display());
            command.args(["-c", "ssl=on", "-c", &setting("ssl_cert_file", &certificate)]);
            command.args(["-c", &setting("ssl_key_file", &key)]);
        }
        let daemon = Self::start(command, folder, address);
        // It takes connections before it is ready to serve them.
        let end = Instant::now() + PATIENCE;
        while !daemon.log().contains("ready to accept connections") {
            assert!(Instant::now() < end, "{}", daemon.log());
            std::thread::sleep(Duration::from_millis(25));
        }
        Some(daemon)
    }
}

/// How a daemon is spoken to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Line {
    Plain,
    /// TLS with the certificate of the tests.
    Tls,
}

impl Line {
    /// The certificate and its key, for the owner of the folder or for everybody: who a daemon is when it reads them differs.
    fn files(self, folder: &Path, key_mode: u32) -> Option<(PathBuf, PathBuf)> {
        if self == Self::Plain {
            return None;
        }
        let place = |name: &str, text: &str, mode: u32| {
            let file = folder.join(name);
            std::fs::write(&file, text).unwrap();
            readable(folder, &file);
            let owner = std::fs::metadata(folder).unwrap();
            std::os::unix::fs::chown(&file, Some(owner.uid()), Some(owner.gid())).unwrap();
            std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            file
        };
        let certificate = place("certificate.pem", include_str!("../tls/certificate.pem"), 0o644);
        Some((certificate, place("key.pem", include_str!("../tls/key.pem"), key_mode)))
    }
}

/// The system's user for the database, where this test runs as root.
fn postgres_user() -> Option<(u32, u32)> {
    let owner = std::fs::metadata("/proc/self").ok()?.uid();
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = users.lines().find_map(|line| line.strip_prefix("postgres:"))?;
    let mut fields = line.split(':').skip(1).map(str::parse);
    let (Some(Ok(user)), Some(Ok(group))) = (fields.next(), fields.next()) else { return None };
    (owner == 0).then_some((user, group))
}

/// Lets a server that gives up root's rights read a file.
fn readable(folder: &Path, file: &Path) {
    std::fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
}

fn ran(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// What the gate does with who comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Lets through.
    Open,
    /// Turns away, and throws out who is in.
    Shut,
    /// Takes in and says nothing more, to nobody.
    Mute,
}

/// Stands before a peer.
#[derive(Clone)]
pub struct Gate {
    pub address: SocketAddr,
    pass: watch::Sender<Pass>,
}

impl Gate {
    pub async fn before(peer: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (pass, seen) = watch::channel(Pass::Open);
        tokio::spawn(async move {
            while let Ok((guest, _)) = listener.accept().await {
                tokio::spawn(serve(guest, peer, seen.clone()));
            }
        });
        Self { address, pass }
    }

    pub fn is(&self, pass: Pass) {
        self.pass.send_if_modified(|now| std::mem::replace(now, pass) != pass);
    }
}

async fn serve(mut guest: TcpStream, peer: SocketAddr, mut pass: watch::Receiver<Pass>) {
    if *pass.borrow_and_update() == Pass::Open {
        let Ok(mut host) = TcpStream::connect(peer).await else { return };
        tokio::select! {
            _ = copy_bidirectional(&mut guest, &mut host) => return,
            _ = pass.changed() => {}
        }
    }
    if *pass.borrow() == Pass::Mute {
        // Held open, and nothing said, until the test ends.
        std::future::pending::<()>().await;
    }
}
