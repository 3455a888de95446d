//! Methods of every receiver, in impls and traits.
#![deny(warnings, missing_docs, clippy::pedantic)]

use std::sync::Arc;

use cachekit::{CacheKey, delete_memoized, memoize, peek, refresh};

#[derive(Clone, CacheKey)]
struct Person {
    id: u64,
    #[cache_key(skip)]
    name: String,
}

impl Person {
    #[memoize(50)]
    fn has_role(&self, role: u32) -> bool {
        self.id == u64::from(role)
    }

    #[memoize]
    fn into_name(self) -> String {
        self.name
    }

    #[memoize]
    fn renamed(mut self, name: &str) -> String {
        self.name.push_str(name);
        self.name
    }

    #[memoize]
    fn shared(self: Arc<Self>, role: u32) -> u64 {
        self.id + u64::from(role)
    }

    #[memoize]
    fn shared_ref(self: &Arc<Self>) -> u64 {
        self.id
    }

    #[memoize]
    fn boxed(self: Box<Self>) -> u64 {
        self.id
    }

    #[memoize]
    fn pinned(self: std::pin::Pin<&Self>) -> u64 {
        self.id
    }

    #[memoize]
    fn count(n: u8) -> u8 {
        n
    }

    #[memoize(in_impl)]
    fn told(n: u8) -> u8 {
        n
    }

    #[memoize]
    fn of_self(other: &Self) -> u64 {
        other.id
    }

    #[memoize(ignore(self))]
    pub(crate) fn of_no_person(&self, n: u8) -> u8 {
        n + u8::from(self.name.is_empty())
    }

    #[memoize(key = self.id)]
    fn by_key(&self, n: u8) -> u8 {
        n + u8::from(self.name.is_empty())
    }

    #[memoize]
    fn generic<T: Copy + Into<u64> + CacheKey>(&self, n: T) -> u64 {
        self.id + n.into()
    }

    #[memoize]
    fn nothing_to_infer<T: Default + Into<u64>>(&self) -> u64 {
        self.id + T::default().into()
    }

    #[memoize]
    fn r#type<'a>(self: &'a Person, name: &'a str) -> usize {
        self.name.len() + name.len()
    }
}

struct Stack<T> {
    items: Vec<T>,
}

impl<T: Clone + CacheKey> CacheKey for Stack<T> {
    fn cache_key<W: cachekit::KeyWriter>(&self, writer: &mut W) {
        self.items.cache_key(writer);
    }
}

impl<T> Stack<T>
where
    T: Clone + CacheKey,
{
    #[memoize]
    fn depth(&self) -> usize {
        self.items.len()
    }

    #[memoize]
    fn empty() -> usize {
        std::mem::size_of::<T>()
    }
}

trait Greets {
    fn name(&self) -> String;

    #[memoize]
    fn greeting(&self, word: &str) -> String
    where
        Self: CacheKey,
    {
        format!("{word} {}", self.name())
    }

    fn kind(n: u8) -> String;
}

impl Greets for Person {
    #[memoize(name = "person.name")]
    fn name(&self) -> String {
        self.name.clone()
    }

    #[memoize]
    fn kind(a: u8) -> String {
        a.to_string()
    }
}

impl<T: Clone + CacheKey> Greets for Stack<T> {
    #[memoize(in_trait)]
    fn name(&self) -> String {
        "stack".to_owned()
    }

    #[memoize]
    fn kind(n: u8) -> String {
        n.to_string()
    }
}

#[test]
fn runs() {
    let person = Person { id: 7, name: "demo".to_owned() };
    assert!(person.has_role(7));
    delete_memoized!(Person::has_role, &person, 7).expect("deleted");
    delete_memoized!(person.has_role, 7).expect("deleted");
    delete_memoized!(person.has_role).expect("deleted");
    delete_memoized!(Person::has_role).expect("deleted");
    assert!(refresh!(person.has_role, 7));
    assert_eq!(peek!(person.has_role, 7).ok(), Some(Some(true)));
    assert_eq!(person.clone().into_name(), "demo");
    assert_eq!(person.clone().renamed("x"), "demox");
    delete_memoized!(Person::into_name, person.clone()).expect("deleted");
    let arc = Arc::new(person.clone());
    assert_eq!(arc.clone().shared(1), 8);
    delete_memoized!(arc.shared).expect("deleted");
    delete_memoized!(Person::shared, arc.clone(), 1).expect("deleted");
    assert_eq!(arc.shared_ref(), 7);
    assert_eq!(Box::new(person.clone()).boxed(), 7);
    assert_eq!(std::pin::pin!(person.clone()).as_ref().pinned(), 7);
    assert_eq!((Person::count(1), Person::told(2)), (1, 2));
    delete_memoized!(Person::count, 1).expect("deleted");
    assert_eq!(Person::of_self(&person), 7);
    assert_eq!(person.of_no_person(1), 1);
    delete_memoized!(Person::of_no_person).expect("deleted");
    assert_eq!(person.by_key(1), 1);
    assert_eq!(person.generic(1_u8), 8);
    delete_memoized!(person.generic::<u8>, 1).expect("deleted");
    assert_eq!(person.nothing_to_infer::<u8>(), 7);
    assert_eq!(person.r#type("x"), 5);
    delete_memoized!(person.r#type).expect("deleted");
    let stack = Stack { items: vec![1_u8] };
    assert_eq!(stack.depth(), 1);
    delete_memoized!(stack.depth).expect("deleted");
    delete_memoized!(Stack::<u8>::depth, &stack).expect("deleted");
    assert_eq!((Stack::<u8>::empty(), Stack::<u16>::empty()), (1, 2));
    assert_eq!(person.greeting("hello"), "hello demo");
    assert_eq!(stack.greeting("hello"), "hello stack");
    assert_eq!(Person::kind(1), "1");
    assert_eq!(Stack::<u8>::kind(1), "1");
    delete_memoized!(person.greeting, &String::from("hello")).expect("deleted");
    delete_memoized!(<Stack<u8> as Greets>::greeting, &stack, "hello").expect("deleted");
    delete_memoized!(<Person as Greets>::greeting).expect("deleted");
    delete_memoized!(person.name).expect("deleted");
    assert_eq!(peek!(person.name).ok(), Some(None));
    delete_memoized!(<Person as Greets>::kind, 1).expect("deleted");
    delete_memoized!(<Stack<u8> as super::methods::Greets>::kind).expect("deleted");
}
