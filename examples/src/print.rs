/// A number with commas between its thousands, so that it is read at a glance.
///
/// ```
/// assert_eq!(cachekit_examples::thousands(1_234_567), "1,234,567");
/// assert_eq!(cachekit_examples::thousands(999), "999");
/// ```
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Prints a heading and a line below it.
pub fn rule(heading: &str) {
    println!("\n{heading}\n{}", "-".repeat(heading.chars().count()));
}
