//! A Parquet file that ends where it ends: reading on is an error, and no room is made for what is not there.
//!
//! The reader of others skips what the header of a page claims and does not notice that the file is over: six hundred bytes
//! kept it busy until it was stopped. And it makes room for a page before it looks whether there is one.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// The file.
pub(super) struct BoundedFile(pub(super) File);

impl BoundedFile {
    fn at(&self, start: u64) -> io::Result<File> {
        let mut file = self.0.try_clone()?;
        file.seek(SeekFrom::Start(start))?;
        Ok(file)
    }
}

impl Length for BoundedFile {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl ChunkReader for BoundedFile {
    type T = BufReader<Rest>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(BufReader::new(Rest(self.at(start)?)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.len()) {
            return Err(ParquetError::EOF(format!("{length} bytes from {start} on are not in the file")));
        }
        let mut bytes = vec![0; length];
        self.at(start)?.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// What comes from some place on.
pub(super) struct Rest(File);

impl Read for Rest {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 if !buffer.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_is_not_there_is_neither_waited_for_nor_made_room_for() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let file = BoundedFile(file);
        assert_eq!(file.get_bytes(2, 8).unwrap(), b"23456789".as_slice());
        for (start, length) in [(2, 9), (11, 0), (0, usize::MAX), (u64::MAX, 1)] {
            assert!(file.get_bytes(start, length).is_err(), "{length} from {start}");
        }
        let mut skipped = file.get_read(8).unwrap().take(1 << 40);
        assert_eq!(io::copy(&mut skipped, &mut io::sink()).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let mut rest = [0; 2];
        file.get_read(8).unwrap().read_exact(&mut rest).unwrap();
        assert_eq!(&rest, b"89");
    }
}
