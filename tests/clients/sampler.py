"""Sample values for every shape of botocore's service model, and the count of what they cover."""



def nested(levels):
    return {"in": [nested(levels - 2)]} if levels > 2 else {"in": {}} if levels == 2 else {}


# The service promises free-form JSON of 30 levels as it stands; deeper values come as text.
FREE_FORM = [{"free": [1, 0.7, None, [], {}, "text", True, -3, 2**53], "deep": nested(29)}, "text"]


# Of the patterns that letters alone do not match.
PATTERNED = {"[0-9]{12}": "123456789012", "(|([1-9][0-9]{0,7})|(DRAFT))": "1"}


class Sampler:
    def __init__(self):
        self.covered = set()

    def cover(self, shape, member):
        self.covered.add((shape.name, member))

    def samples(self, shape):
        """One value with every member, and one more for each further form that a member can have."""
        kind = shape.type_name
        if getattr(shape, "is_document_type", False):
            return FREE_FORM
        if kind == "structure":
            return self.union(shape) if getattr(shape, "is_tagged_union", False) else self.structure(shape)
        if kind == "list":
            return [self.samples(shape.member)]
        if kind == "map":
            return [{f"key{number}": value for number, value in enumerate(self.samples(shape.value))}]
        if kind == "string":
            # botocore refuses strings that are too short; an empty one is tried where it may stand.
            pattern, longest = shape.metadata.get("pattern"), shape.metadata.get("max")
            if shape.name == "DocumentBlockNameString":
                return ["a name-(1) [\u00fc]", "b"]
            if shape.name.endswith("FieldPathsListMemberString"):
                return ['/a "b"', "/"]
            if pattern or longest:
                return [PATTERNED.get(pattern, "s3://abc/d" if (pattern or "").startswith("s3:") else "a" * 12)]
            text = f'a {shape.name} with "quotes", \u00fcmlauts and \U0001f980'
            return [text] if shape.metadata.get("min") else [text, ""]
        return {
            "integer": [7, 1] if shape.metadata.get("min") else [7, 0],
            "long": [9007199254740993, 0],
            "float": [0.7, 1e-9, 0],
            "double": [0.7, 1e-9, 0],
            "boolean": [True, False],
            "blob": [b"\x00\x01\x02\xff\xfe"],
        }[kind]

    def union(self, shape):
        found = []
        for name, member in shape.members.items():
            self.cover(shape, name)
            found += [{name: value} for value in self.samples(member)]
        return found

    def structure(self, shape):
        choices = {}
        for name, member in shape.members.items():
            self.cover(shape, name)
            choices[name] = self.samples(member)
        rounds = max(map(len, choices.values()), default=1)
        return [
            {name: values[min(number, len(values) - 1)] for name, values in choices.items()}
            for number in range(rounds)
        ]


def members_of(*roots):
    """Every member that these shapes lead to, as (structure, member); exceptions are errors, not members."""
    found, waiting, seen = set(), list(roots), set()
    while waiting:
        shape = waiting.pop()
        if shape.name in seen or getattr(shape, "is_document_type", False):
            continue
        seen.add(shape.name)
        if shape.type_name == "structure":
            for name, member in shape.members.items():
                if not name.endswith("Exception"):
                    found.add((shape.name, name))
                    waiting.append(member)
        elif shape.type_name == "list":
            waiting.append(shape.member)
        elif shape.type_name == "map":
            waiting.append(shape.value)
    return found
