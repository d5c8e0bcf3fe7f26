//! The EVE file, or standard output: whole lines only.
//!
//! Lines are gathered and written with few calls. When a write fails, what reached the file of a line that is not whole is cut
//! off again, the lines wait in memory up to [`MAX_WAITING`], and each later flush tries once more; what does not fit is
//! counted as lost. So a full disk that is freed in time loses nothing, and none ever leaves half a line.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes gathered before they are written.
const GATHER: usize = 128 * 1024;
/// Bytes that wait while nothing can be written.
pub const MAX_WAITING: usize = 8 * 1024 * 1024;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// What is in it goes (replays).
    Replace,
    /// Lines are added (daemons).
    Append,
}

enum Sink {
    Stdout(io::Stdout),
    File { file: File, path: PathBuf, regular: bool },
    None,
}

/// An output of lines.
pub struct Output {
    sink: Sink,
    waiting: Vec<u8>,
    lost: u64,
    error: Option<io::Error>,
}

impl Output {
    /// Writes nothing (no output was asked for).
    pub const fn none() -> Self {
        Self::new(Sink::None)
    }

    /// Standard output.
    pub fn stdout() -> Self {
        Self::new(Sink::Stdout(io::stdout()))
    }

    /// A file. Half a line at its end, left by a crash, is cut off.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn file(path: &Path, mode: Mode) -> io::Result<Self> {
        Ok(Self::new(open(path, mode)?))
    }

    const fn new(sink: Sink) -> Self {
        Self { sink, waiting: Vec::new(), lost: 0, error: None }
    }

    /// Takes a whole line, its newline included.
    pub fn write_line(&mut self, line: &[u8]) {
        if matches!(self.sink, Sink::None) {
            return;
        }
        if self.error.is_some() && self.waiting.len().saturating_add(line.len()) > MAX_WAITING {
            self.lost += 1;
            return;
        }
        self.waiting.extend_from_slice(line);
        if self.error.is_none() && self.waiting.len() >= GATHER {
            self.flush();
        }
    }

    /// Writes what waits.
    pub fn flush(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let (done, result) = match &mut self.sink {
            Sink::None => (self.waiting.len(), Ok(())),
            Sink::Stdout(stdout) => write_some(stdout, &self.waiting),
            Sink::File { file, .. } => write_some(file, &self.waiting),
        };
        match result {
            Ok(()) => {
                if self.error.take().is_some() {
                    tracing::info!("output: writing again");
                }
                self.waiting.clear();
            }
            Err(error) => {
                let whole =
                    self.waiting.get(..done).unwrap_or_default().iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                let written = if self.cut_off(done - whole) { whole } else { done };
                self.waiting.drain(..written);
                if self.error.is_none() {
                    tracing::error!("output: {}: {error}; lines wait in memory", self.name());
                }
                self.error = Some(error);
            }
        }
    }

    /// Takes back the last bytes of a regular file: the head of a line whose rest did not fit.
    fn cut_off(&self, bytes: usize) -> bool {
        let Sink::File { file, regular: true, .. } = &self.sink else { return false };
        file.metadata().and_then(|metadata| file.set_len(metadata.len().saturating_sub(bytes as u64))).is_ok()
    }

    /// Opens the file again by its name: it was rotated away.
    pub fn reopen(&mut self) {
        self.flush();
        if let Sink::File { path, .. } = &self.sink {
            match open(path, Mode::Append) {
                Ok(sink) => self.sink = sink,
                Err(error) => tracing::error!("output: {}: cannot be opened again: {error}", path.display()),
            }
        }
    }

    /// The reader of standard output has gone: nothing more will be read.
    pub fn is_closed(&self) -> bool {
        self.error.as_ref().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
    }

    /// Ends the output: lines that could not be written, and why.
    pub fn finish(mut self) -> (u64, Option<String>) {
        self.flush();
        let name = self.name();
        let waiting = self.waiting.iter().filter(|byte| **byte == b'\n').count() as u64;
        let lost = self.lost + if self.error.is_some() { waiting } else { 0 };
        (lost, self.error.map(|error| format!("{name}: {error}")))
    }

    fn name(&self) -> String {
        match &self.sink {
            Sink::Stdout(_) => "standard output".to_owned(),
            Sink::File { path, .. } => path.display().to_string(),
            Sink::None => String::new(),
        }
    }
}

fn open(path: &Path, mode: Mode) -> io::Result<Sink> {
    // Always for appending: after a line was taken back, the next one follows the last whole one.
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let regular = file.metadata()?.is_file();
    match mode {
        Mode::Replace if regular => file.set_len(0)?,
        Mode::Append if regular => repair(path, &file)?,
        Mode::Replace | Mode::Append => {}
    }
    Ok(Sink::File { file, path: path.to_owned(), regular })
}

/// Cuts off what follows the last newline: half a line that a crash left.
fn repair(path: &Path, file: &File) -> io::Result<()> {
    let mut reader = File::open(path)?;
    let mut end = reader.seek(SeekFrom::End(0))?;
    let mut block = [0; 4096];
    let mut keep = 0;
    let whole = end;
    while end > 0 {
        let len = end.min(block.len() as u64);
        reader.seek(SeekFrom::Start(end - len))?;
        let Some(part) = usize::try_from(len).ok().and_then(|len| block.get_mut(..len)) else { break };
        reader.read_exact(part)?;
        if let Some(at) = part.iter().rposition(|byte| *byte == b'\n') {
            keep = end - len + at as u64 + 1;
            break;
        }
        end -= len;
    }
    if keep < whole {
        tracing::warn!("output: {}: cut off half a line of {} bytes", path.display(), whole - keep);
        file.set_len(keep)?;
    }
    Ok(())
}

/// Writes from the front; how much was written, and why no more.
fn write_some(to: &mut impl Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut done = 0;
    loop {
        let rest = bytes.get(done..).unwrap_or_default();
        if rest.is_empty() {
            return (done, to.flush());
        }
        match to.write(rest) {
            Ok(0) => return (done, Err(ErrorKind::WriteZero.into())),
            Ok(len) => done += len,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (done, Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_with(content: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        file
    }

    #[test]
    fn half_a_line_left_by_a_crash_is_cut_off() {
        for (before, kept) in [("", ""), ("{}\n", "{}\n"), ("{}\n{\"a\":", "{}\n"), ("{\"a\"", "")] {
            let file = file_with(before.as_bytes());
            let mut output = Output::file(file.path(), Mode::Append).unwrap();
            output.write_line(b"{1}\n");
            assert_eq!(output.finish().0, 0);
            assert_eq!(std::fs::read_to_string(file.path()).unwrap(), format!("{kept}{{1}}\n"));
        }
        let long = [b"{}\n".as_slice(), &[b'x'; 10_000]].concat();
        let file = file_with(&long);
        drop(Output::file(file.path(), Mode::Append).unwrap());
        assert_eq!(std::fs::read(file.path()).unwrap(), b"{}\n");
    }

    #[test]
    fn a_replay_replaces_what_was_there() {
        let file = file_with(b"old\n");
        let mut output = Output::file(file.path(), Mode::Replace).unwrap();
        output.write_line(b"new\n");
        output.flush();
        output.write_line(b"newer\n");
        assert_eq!(output.finish().0, 0);
        assert_eq!(std::fs::read(file.path()).unwrap(), b"new\nnewer\n");
    }

    #[test]
    fn a_full_disk_is_told_and_what_waits_is_bounded() {
        let mut output = Output::file(Path::new("/dev/full"), Mode::Append).unwrap();
        let line = [[b'x'; 1023].as_slice(), b"\n"].concat();
        for _ in 0..20_000 {
            output.write_line(&line);
        }
        assert!(output.waiting.len() <= MAX_WAITING);
        let (lost, why) = output.finish();
        assert_eq!(lost, 20_000);
        assert!(why.is_some_and(|why| why.starts_with("/dev/full: ")));
    }

    #[test]
    fn a_rotated_file_is_opened_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, rotated) = (folder.path().join("eve.json"), folder.path().join("eve.json.1"));
        let mut output = Output::file(&path, Mode::Append).unwrap();
        output.write_line(b"1\n");
        output.flush();
        std::fs::rename(&path, &rotated).unwrap();
        output.write_line(b"2\n");
        output.reopen();
        output.write_line(b"3\n");
        assert_eq!(output.finish().0, 0);
        assert_eq!(std::fs::read(&rotated).unwrap(), b"1\n2\n");
        assert_eq!(std::fs::read(&path).unwrap(), b"3\n");
    }
}
