package strictjson

// A KeySet finds duplicate keys. Most objects have few, for which a list is faster.
type KeySet struct {
	few  []string
	many map[string]bool
}

// Add adds a key, and reports whether it is new.
func (k *KeySet) Add(name string) (isNew bool) {
	if k.many != nil {
		isNew = !k.many[name]
		k.many[name] = true
		return isNew
	}
	for _, s := range k.few {
		if s == name {
			return false
		}
	}
	if k.few = append(k.few, name); len(k.few) > 32 {
		k.many = make(map[string]bool, 2*len(k.few))
		for _, s := range k.few {
			k.many[s] = true
		}
	}
	return true
}
