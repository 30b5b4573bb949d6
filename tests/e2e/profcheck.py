# SPDX-License-Identifier: Apache-2.0
"""The rules for OTLP profiles (opentelemetry-proto v1.11, specification/profiles/mappings.md), those
which profcheck of the OpenTelemetry profiling group checks among them. violations(request) lists
what breaks them, for a request of the official descriptors."""
from opentelemetry.proto.profiles.v1development import profiles_pb2 as profiles

IDENTIFIES_FILE = {"process.executable.build_id." + kind for kind in ("gnu", "go", "htlhash")}
# A link may be empty in both ways; the protocol prefers ids of full length.
EMPTY_LINKS = (profiles.Link(), profiles.Link(trace_id=bytes(16), span_id=bytes(8)))


class Check:
    def __init__(self, request):
        self.request, self.dictionary = request, request.dictionary
        self.found = []
        # By table: what is referred to. Entry 0 needs no reference.
        self.used = {field.name: {0} for field, _ in self.dictionary.ListFields()}

    def say(self, text):
        self.found.append(text)

    def refer(self, table, index, by):
        """The entry, or None when the index is out of bounds."""
        entries = getattr(self.dictionary, table)
        if not 0 <= index < len(entries):
            self.say(f"{by}: {table}[{index}] is out of bounds")
            return None
        self.used.setdefault(table, {0}).add(index)
        return entries[index]

    def refer_attributes(self, indices, by):
        """The keys of the attributes, each of which may be there once."""
        keys = []
        for index in indices:
            attribute = self.refer("attribute_table", index, by)
            if index == 0:
                self.say(f"{by}: refers to the empty attribute")
            elif attribute is not None:
                keys.append(self.refer("string_table", attribute.key_strindex, by))
        if len(set(keys)) != len(keys):
            self.say(f"{by}: an attribute key twice")
        return keys

    def tables(self):
        for field in self.dictionary.DESCRIPTOR.fields:
            entries = list(getattr(self.dictionary, field.name))
            if not entries:
                self.say(f"{field.name}: empty")
                continue
            first = entries[0]
            if field.name == "string_table":
                empty = first == ""
            elif field.name == "link_table":
                empty = first in EMPTY_LINKS
            elif field.name == "attribute_table":
                empty = not (first.key_strindex or first.unit_strindex or
                             first.value.WhichOneof("value"))
            else:
                empty = first == type(first)()
            if not empty:
                self.say(f"{field.name}: entry 0 is not the zero value")
            values = [self.value(entry) for entry in entries]
            if len(set(values)) != len(values):
                self.say(f"{field.name}: an entry twice")

    @staticmethod
    def value(entry):
        """What makes an entry equal to another: the order of attributes does not count."""
        if isinstance(entry, str):
            return entry
        copy = type(entry)()
        copy.CopyFrom(entry)
        if hasattr(copy, "attribute_indices"):
            copy.attribute_indices[:] = sorted(copy.attribute_indices)
        return copy.SerializeToString(deterministic=True)

    def mappings(self):
        for i, mapping in list(enumerate(self.dictionary.mapping_table))[1:]:
            by = f"mapping_table[{i}]"
            self.refer("string_table", mapping.filename_strindex, by)
            keys = self.refer_attributes(mapping.attribute_indices, by)
            if not IDENTIFIES_FILE & set(keys):
                self.say(f"{by}: no build-id and no hash")
            if not mapping.memory_start < mapping.memory_limit and (
                    mapping.memory_start or mapping.memory_limit):
                self.say(f"{by}: its limit is not above its start")

    def locations(self):
        for i, location in enumerate(self.dictionary.location_table):
            by = f"location_table[{i}]"
            mapping = self.refer("mapping_table", location.mapping_index, by)
            self.refer_attributes(location.attribute_indices, by)
            if location.mapping_index and mapping is not None and mapping.memory_limit and not (
                    mapping.memory_start <= location.address <= mapping.memory_limit):
                self.say(f"{by}: its address is outside of its mapping")
            for line in location.lines:
                self.refer("function_table", line.function_index, by)
                if line.function_index == 0:
                    self.say(f"{by}: a line of no function")
                if line.line < 0 or line.column < 0:
                    self.say(f"{by}: a negative line or column")

    def functions(self):
        for i, function in enumerate(self.dictionary.function_table):
            by = f"function_table[{i}]"
            names = (function.name_strindex, function.system_name_strindex,
                     function.filename_strindex)
            for name in names:
                self.refer("string_table", name, by)
            if i and not any(names):
                self.say(f"{by}: no name, system name or file")
            if function.start_line < 0:
                self.say(f"{by}: a negative line")

    def other_entries(self):
        for i, link in list(enumerate(self.dictionary.link_table))[1:]:
            if len(link.trace_id) != 16 or len(link.span_id) != 8:
                self.say(f"link_table[{i}]: an id of the wrong length")
        for i, stack in enumerate(self.dictionary.stack_table):
            for index in stack.location_indices:
                self.refer("location_table", index, f"stack_table[{i}]")
                if index == 0:
                    self.say(f"stack_table[{i}]: refers to the empty location")
        for i, attribute in enumerate(self.dictionary.attribute_table):
            by = f"attribute_table[{i}]"
            self.refer("string_table", attribute.key_strindex, by)
            self.refer("string_table", attribute.unit_strindex, by)
            if attribute.value.HasField("string_value_strindex"):
                self.refer("string_table", attribute.value.string_value_strindex, by)
            if i and not attribute.key_strindex:
                self.say(f"{by}: no key")

    def value_type(self, value_type, by):
        for index in (value_type.type_strindex, value_type.unit_strindex):
            if not self.refer("string_table", index, by):
                self.say(f"{by}: no type or no unit")

    def sample(self, sample, profile, by):
        """Its shape: how values and timestamps are given."""
        self.refer("stack_table", sample.stack_index, by)
        self.refer("link_table", sample.link_index, by)
        self.refer_attributes(sample.attribute_indices, by)
        start, end = profile.time_unix_nano, profile.time_unix_nano + profile.duration_nano
        if not all(start <= time < end for time in sample.timestamps_unix_nano):
            self.say(f"{by}: a timestamp outside of the profile's time")
        values, times = len(sample.values), len(sample.timestamps_unix_nano)
        if not values and not times:
            self.say(f"{by}: neither values nor timestamps")
        if values and times and values != times:
            self.say(f"{by}: values and timestamps differ in number")
        if values and not times and values != 1:
            self.say(f"{by}: several values without timestamps")
        return bool(values), bool(times)

    def profile(self, profile, by):
        self.value_type(profile.sample_type, f"{by} sample_type")
        if profile.period:
            self.value_type(profile.period_type, f"{by} period_type")
        self.refer_attributes(profile.attribute_indices, by)
        if len(profile.profile_id) not in (0, 16):
            self.say(f"{by}: an id of the wrong length")
        shapes = {self.sample(sample, profile, f"{by} samples[{i}]")
                  for i, sample in enumerate(profile.samples)}
        if len(shapes) > 1:
            self.say(f"{by}: samples of several shapes")
        if not profile.samples:
            self.say(f"{by}: no samples")
        identities = {(s.stack_index, frozenset(s.attribute_indices), s.link_index)
                      for s in profile.samples}
        if len(identities) != len(profile.samples):
            self.say(f"{by}: samples of one identity are not merged")

    def key_value(self, attribute, by):
        """An attribute of a resource, which may refer to the table of strings."""
        self.refer("string_table", attribute.key_strindex, by)
        self.refer("string_table", attribute.value.string_value_strindex, by)
        if bool(attribute.key) == bool(attribute.key_strindex):
            self.say(f"{by}: an attribute with no key, or with its key in both ways")

    def envelopes(self):
        if not self.request.resource_profiles:
            self.say("no resource profiles")
        for i, group in enumerate(self.request.resource_profiles):
            if not group.scope_profiles:
                self.say(f"resource_profiles[{i}]: no scope profiles")
            for attribute in group.resource.attributes:
                self.key_value(attribute, f"resource_profiles[{i}]")
            for scope in group.scope_profiles:
                if not scope.profiles:
                    self.say(f"resource_profiles[{i}]: a scope without profiles")
                for k, profile in enumerate(scope.profiles):
                    self.profile(profile, f"resource_profiles[{i}] profiles[{k}]")

    def orphans(self):
        for table, used in self.used.items():
            for i in range(len(getattr(self.dictionary, table))):
                if i not in used:
                    self.say(f"{table}[{i}]: an orphan")


def violations(request):
    check = Check(request)
    check.envelopes()
    check.tables()
    check.mappings()
    check.locations()
    check.functions()
    check.other_entries()
    check.orphans()
    return check.found
