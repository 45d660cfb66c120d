//! The emulator's general knowledge.

/// Country, capital, and something about it.
pub(super) const CAPITALS: &[(&str, &str, &str)] = &[
    ("Argentina", "Buenos Aires", "on the shore of the Rio de la Plata"),
    ("Australia", "Canberra", "built to settle the quarrel of Sydney and Melbourne"),
    ("Austria", "Vienna", "on the Danube"),
    ("Belgium", "Brussels", "where much of the European Union meets"),
    ("Brazil", "Bras\u{ed}lia", "planned in the shape of an aeroplane"),
    ("Canada", "Ottawa", "chosen by Queen Victoria"),
    ("Chile", "Santiago", "in sight of the Andes"),
    ("China", "Beijing", "whose name means northern capital"),
    ("Denmark", "Copenhagen", "the merchants' harbour"),
    ("Egypt", "Cairo", "on the Nile"),
    ("Finland", "Helsinki", "the daughter of the Baltic"),
    ("France", "Paris", "on the Seine"),
    ("Germany", "Berlin", "which has more bridges than Venice"),
    ("Greece", "Athens", "older than its own records"),
    ("Iceland", "Reykjav\u{ed}k", "the northernmost capital of a sovereign state"),
    ("India", "New Delhi", "beside the older Delhi"),
    ("Ireland", "Dublin", "on the Liffey"),
    ("Italy", "Rome", "on seven hills"),
    ("Japan", "Tokyo", "once called Edo"),
    ("Kenya", "Nairobi", "named after cool water"),
    ("Mexico", "Mexico City", "built on a lake"),
    ("Netherlands", "Amsterdam", "although the government sits in The Hague"),
    ("New Zealand", "Wellington", "the windiest capital"),
    ("Nigeria", "Abuja", "capital since 1991"),
    ("Norway", "Oslo", "at the end of a fjord"),
    ("Peru", "Lima", "where it hardly ever rains"),
    ("Poland", "Warsaw", "rebuilt from paintings"),
    ("Portugal", "Lisbon", "older than Rome"),
    ("South Korea", "Seoul", "on the Han"),
    ("Spain", "Madrid", "almost exactly in the middle"),
    ("Sweden", "Stockholm", "on fourteen islands"),
    ("Switzerland", "Bern", "which calls itself the federal city"),
    ("Turkey", "Ankara", "and not Istanbul"),
    ("Ukraine", "Kyiv", "on the Dnipro"),
    ("United Kingdom", "London", "on the Thames"),
    ("United States", "Washington, D.C.", "which is in no state"),
    ("USA", "Washington, D.C.", "which is in no state"),
];

/// Subject, and one sentence about it.
pub(super) const EXPLANATIONS: &[(&str, &str)] = &[
    (
        "Amazon Bedrock",
        "Amazon Bedrock lets you call many foundation models through one API, without running any.",
    ),
    ("backpressure", "backpressure is a slow reader's way of making a fast writer wait instead of drown."),
    ("Bedrock", "Bedrock lets you call many foundation models through one API, without running any."),
    ("entropy", "entropy counts the ways in which things could be arranged without anyone noticing."),
    ("gRPC", "gRPC lets a program call a function on another machine, with typed messages over HTTP/2."),
    ("gravity", "gravity is what mass does to space and time, felt as a pull."),
    (
        "Kubernetes",
        "Kubernetes keeps the containers you asked for running, whatever happens to the machines.",
    ),
    ("photosynthesis", "photosynthesis turns light, water and carbon dioxide into sugar and oxygen."),
    (
        "recursion",
        "recursion solves a problem by solving a smaller one of the same kind, until it is trivial.",
    ),
    ("Rust", "Rust is a language that proves at compile time who owns every value."),
    ("TCP", "TCP turns a network that loses and shuffles packets into a stream that does neither."),
    ("tokens", "tokens are the pieces of words that language models read, write and charge for."),
];

/// Subject, and three of it.
pub(super) const LISTS: &[(&str, [&str; 3])] = &[
    ("color", ["red", "green", "blue"]),
    ("colour", ["red", "green", "blue"]),
    ("fruit", ["apple", "banana", "cherry"]),
    ("planet", ["Mercury", "Venus", "Earth"]),
    ("language", ["Rust", "Python", "Java"]),
    ("ocean", ["the Atlantic", "the Indian", "the Pacific"]),
    ("animal", ["an otter", "an owl", "an octopus"]),
    ("prime", ["2", "3", "5"]),
];
