//! A perfectly good component that is no Seawall plugin.

wit_bindgen::generate!({
    inline: "
        package other:thing@1.0.0;
        world greeter { export greet: func() -> string; }
    ",
});

struct Greeter;

impl Guest for Greeter {
    fn greet() -> String {
        "hello".into()
    }
}

export!(Greeter);
