use std::io;
use std::time::Instant;

/// An open connection, TLS included.
pub(crate) trait Stream: Send + 'static {
    /// Reads into `room`; returns how much, 0 at the end.
    fn read(&mut self, room: &mut [u8]) -> impl Future<Output = io::Result<usize>> + Send;
    /// Writes everything.
    fn write(&mut self, bytes: &[u8]) -> impl Future<Output = io::Result<()>> + Send;
    /// Returns whether writes become records, as in TLS.
    fn has_records(&self) -> bool;
    /// Returns whether the connection is open and nothing has arrived that was not asked for. Doesn't wait; costs a
    /// system call.
    fn is_quiet(&mut self) -> bool;
    /// Sets when the next reads and writes end at the latest, where the stream sees to it itself.
    fn limit(&mut self, deadline: Instant);
}
