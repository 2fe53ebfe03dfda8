//! The command line as a person meets it: the built program, a city folder, a data folder of its own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// The repository, which is also the demo city.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The city of three areas, which opens in a moment.
pub fn tiny_city() -> PathBuf {
    root().join("tests/tiny_city")
}

/// The folder of real data, where this machine has it; else the reason for skipping is printed.
pub fn real_data(below: &str) -> Option<PathBuf> {
    let folder =
        std::env::var_os("CITYLOOM_SHARED_DATA").map_or_else(|| root().join("../shared/data"), PathBuf::from);
    let folder = folder.join(below);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: there is no {} (set CITYLOOM_SHARED_DATA)", folder.display());
    None
}

/// A tool that an environment variable names; else the reason for skipping is printed.
pub fn tool(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
    if path.is_none() {
        println!("skipped: {variable} is not set");
    }
    path
}

/// What a finished process left behind.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The lines of standard output, each a JSON document.
    pub fn json(&self) -> Vec<Value> {
        let line = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}\n{}", self.err))
        };
        self.out.lines().map(line).collect()
    }
}

/// A city folder with a data folder that goes away with this.
#[derive(Debug)]
pub struct City {
    city: PathBuf,
    areas: Option<PathBuf>,
    /// Where its lake is.
    pub data: TempDir,
}

impl City {
    pub fn at(city: impl AsRef<Path>) -> Self {
        let data = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder for tests");
        Self { city: city.as_ref().to_path_buf(), areas: None, data }
    }

    /// The same with another boundary file.
    pub fn with_areas(self, areas: PathBuf) -> Self {
        Self { areas: Some(areas), ..self }
    }

    /// The program with this city's options; nothing of the caller's environment leads it elsewhere.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cityloom"));
        self.options(&mut command, arguments);
        command
    }

    /// The same in an address space of `kib` KiB, so that a file's lie about its size cannot take the machine.
    pub fn bounded_command<S: AsRef<OsStr>>(&self, kib: u64, arguments: &[S]) -> Command {
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!("ulimit -v {kib}; exec \"$0\" \"$@\""))
            .arg(env!("CARGO_BIN_EXE_cityloom"));
        self.options(&mut command, arguments);
        command
    }

    fn options<S: AsRef<OsStr>>(&self, command: &mut Command, arguments: &[S]) {
        for variable in
            ["CITYLOOM_CITY", "CITYLOOM_DATA", "CITYLOOM_AREAS_FILE", "CITYLOOM_LOG", "RUST_BACKTRACE"]
        {
            command.env_remove(variable);
        }
        command.arg("--city").arg(&self.city).arg("--data").arg(self.data.path());
        if let Some(areas) = &self.areas {
            command.arg("--areas").arg(areas);
        }
        command.args(arguments);
    }

    /// Runs a command to its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Ran {
        run(self.command(arguments))
    }

    /// Lands a file that must be taken; the receipt.
    pub fn land(&self, feed: &str, file: &Path) -> Value {
        let ran = self.run(&[
            OsStr::new("land"),
            feed.as_ref(),
            file.as_os_str(),
            "--format".as_ref(),
            "json".as_ref(),
        ]);
        assert_eq!(ran.code, Some(0), "{feed}: {ran:?}");
        ran.json().remove(0)
    }

    /// The rows of a statement that must run.
    pub fn sql(&self, statement: &str) -> Vec<Value> {
        let ran = self.run(&["sql", statement, "--format", "json"]);
        assert_eq!(ran.code, Some(0), "{statement}: {ran:?}");
        assert_eq!(ran.err, "", "{statement}");
        ran.json()
    }
}

/// Runs any command to its end.
pub fn run(mut command: Command) -> Ran {
    Ran::of(command.output().expect("the program starts"))
}
