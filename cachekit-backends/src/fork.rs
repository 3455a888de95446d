//! A function that runs in each process forked from this one: the only unsafe code of the workspace.
//!
//! A process that was forked has the memory of its parent and none of its threads, and nothing in that memory tells it so:
//! a clock that a thread advances stands still for ever. The system can run a function in the child before `fork` returns
//! there: `pthread_atfork`, of which no crate has a safe form.

use std::io;

/// Runs `handler` in each process forked from now on, by this process or by those forked from it, before `fork` returns in
/// the child. Costs a little memory for good. On systems without `fork` it does nothing.
///
/// The handler runs on the thread that forks, the only one of the child. If the parent had others, a lock that one of them
/// held stays locked in the child, that of the allocator in some systems too: the handler should store into atomics, and do
/// nothing else. A panic ends the child.
///
/// Children of `vfork` and of bare `clone` system calls are not noticed.
///
/// # Errors
/// If the system has no memory for it.
pub(crate) fn in_each_child(handler: extern "C" fn()) -> io::Result<()> {
    #[cfg(unix)]
    {
        #[expect(unsafe_code, reason = "no crate offers `pthread_atfork` as a safe function")]
        // SAFETY: The arguments are null or a function with the ABI that is asked for. The function is safe code, lives as
        // long as the program, and runs on a thread of Rust's or of any other language between two instructions of the
        // caller of `fork`, as any function that this caller might call next.
        let code = unsafe { libc::pthread_atfork(None, None, Some(handler)) };
        if code != 0 {
            return Err(io::Error::from_raw_os_error(code));
        }
    }
    #[cfg(not(unix))]
    let _ = handler;
    Ok(())
}
