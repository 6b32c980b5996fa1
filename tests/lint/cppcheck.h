/* What cppcheck must know of jansson, whose headers it does not read: these are loops. */
#define json_array_foreach(array, i, value) for (i = 0, value = loop(array); value; i++)
#define json_object_foreach(object, key, value) \
	for (key = loop(object), value = loop(object); key; key = loop(object))
#define json_object_foreach_safe(object, next, key, value) \
	for (next = loop(object), key = loop(object), value = loop(object); key; key = loop(next))
