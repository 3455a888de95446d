//! A level of a recursive memoized function takes little of the stack, with all features; the count of instructions asserts it for a
//! release build with the features of the default.

use cachekit_tests::levels;

#[test]
fn a_level_of_a_function_is_small() {
    // In a release build, and in a debug build, of which async functions take more.
    let most = [[272, 1024], [384, 1024], [512, 2304], [544, 3072]];
    for ((function, bytes), most) in levels::of_each().into_iter().zip(most) {
        let most = most[usize::from(cfg!(debug_assertions))];
        assert!(bytes <= most, "{function}: {bytes} bytes a level, {most} at most");
    }
}
